"""JupyterHub for a class: the settings of the real server. Guide: docs/class-server.md.

    jupyterhub -f class_server/jupyterhub_config.py

It runs on a Linux server with systemd, as root, because it starts each student's server as that
student. ``load_test_config.py`` beside this file takes the same settings for the load test; what
differs there is said there. On The Littlest JupyterHub this file is not used: ``tljh-config`` sets
what is here.
"""

import os
import sys
from pathlib import Path

c = get_config()  # noqa: F821 - JupyterHub runs this file and puts both functions here
HERE = os.path.dirname(__file__)
load_subconfig("course_settings.py", path=HERE)  # noqa: F821

# ------------------------------------------------------------------ who may come in
# The accounts of the server itself. One name a line in the file; a name that is not there is
# refused, even with a right password. With the university's own log-in, exchange the first line
# for a class of the package oauthenticator and keep the list.
c.JupyterHub.authenticator_class = "pam"
STUDENTS = Path(os.environ.get("CLASS_STUDENTS", "/etc/jupyterhub/students.txt"))
if STUDENTS.is_file():
    c.Authenticator.allowed_users = set(STUDENTS.read_text("utf-8").split())
c.Authenticator.admin_users = set(os.environ.get("CLASS_TEACHERS", "").split())

# ------------------------------------------------------------------ where it listens
# On this computer only: nginx or Caddy in front of it speaks HTTPS with the class. The microphone
# of lesson 08 works over HTTPS only; that is the browser's rule.
c.JupyterHub.bind_url = "http://127.0.0.1:8000"
proxy = Path(
    HERE, "node_modules", ".bin", "configurable-http-proxy"
)  # npm ci --prefix class_server
c.ConfigurableHTTPProxy.command = [str(proxy) if proxy.exists() else "configurable-http-proxy"]

# What the hub remembers. The folder must exist, and only root may look into it.
STATE = Path(os.environ.get("CLASS_STATE", "/var/lib/jupyterhub"))
c.JupyterHub.db_url = f"sqlite:///{STATE / 'jupyterhub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(STATE / "cookie_secret")
c.ConfigurableHTTPProxy.pid_file = str(STATE / "proxy.pid")

# ------------------------------------------------------------------ one server for each student
# systemd holds each server to its limits; JupyterHub's own spawner would ignore them.
c.JupyterHub.spawner_class = "systemd"
c.SystemdSpawner.isolate_tmp = True
c.Spawner.mem_limit = "2G"  # one student's mistake ends that student's kernel, and no other
c.Spawner.cpu_limit = 2.0  # at most two cores for one student
c.Spawner.cmd = [str(Path(sys.executable).with_name("jupyterhub-singleuser"))]

# ------------------------------------------------------------------ servers that nobody uses
# A closed laptop leaves its server behind. After 90 idle minutes it is stopped and its memory is
# free again. Files stay; what was only in a kernel's memory is gone, and «Run All Cells» brings it
# back.
c.JupyterHub.services = [
    {
        "name": "idle-culler",
        "command": [sys.executable, "-m", "jupyterhub_idle_culler", "--timeout=5400"],
    }
]
c.JupyterHub.load_roles = [
    {
        "name": "idle-culler",
        "services": ["idle-culler"],
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
    }
]
