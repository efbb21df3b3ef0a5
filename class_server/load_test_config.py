"""JupyterHub for the load test: ``python tools/class_load.py`` starts it. NEVER for a class.

WARNING: whoever knows the one password can be any student, and all servers run as the same user of
this computer: nothing separates them. So it listens on 127.0.0.1 only, the tool makes a new
password for each run, and it refuses to start without one.

Everything that is not set here is as in the real class: jupyterhub_config.py.
"""

import os

c = get_config()  # noqa: F821 - JupyterHub runs this file and puts both functions here
load_subconfig("jupyterhub_config.py", path=os.path.dirname(__file__))  # noqa: F821

try:
    password = os.environ["CLASS_LOAD_PASSWORD"]
    port, hub_port, proxy_port = os.environ["CLASS_LOAD_PORTS"].split()
except KeyError as missing:
    raise SystemExit(
        f"{missing} is not set: start this with «python tools/class_load.py»."
    ) from None

c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = password
c.Authenticator.allow_all = True
c.Authenticator.allowed_users = set()

c.JupyterHub.bind_url = f"http://127.0.0.1:{port}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{hub_port}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{proxy_port}"
c.ConfigurableHTTPProxy.command = [os.environ["CLASS_LOAD_PROXY"]]

# A process for each student, in a folder of its own. It knows no limits of memory and cores.
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = os.path.join(
    os.environ["CLASS_STATE"], "homes", "{username}"
)
c.Spawner.ip = "127.0.0.1"
c.Spawner.environment = {
    **c.Spawner.environment,
    # the name of a kernel's file has at most 107 characters, and a home folder here is a long one
    "JUPYTER_RUNTIME_DIR": lambda spawner: os.path.join(
        os.environ["CLASS_STATE"], "run", spawner.user.name
    ),
}
if os.geteuid() == 0:  # in a container everybody is root, and Jupyter would stop
    c.Spawner.args = [*c.Spawner.args, "--allow-root"]
c.JupyterHub.log_level = "WARN"
