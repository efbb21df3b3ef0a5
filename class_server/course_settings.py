"""What the course asks of a student's server, on whichever JupyterHub. Guide: docs/class-server.md.

``jupyterhub_config.py`` takes it in; on The Littlest JupyterHub it is copied into
``/opt/tljh/config/jupyterhub_config.d/``. Every number is a choice for a class of 30.
"""

c = get_config()  # noqa: F821 - JupyterHub runs this file and puts the function here

c.Spawner.default_url = "/lab"
c.Spawner.environment = {
    "OMP_NUM_THREADS": "1",  # one thread for each student's PyTorch: 30 share the same few cores
    "NBGITPULLER_DEPTH": "1",  # the newest state of the course, not its history
}
c.Spawner.args = [
    # Uploads of up to 64 MB for lesson 08; the default of 10 MB drops a larger file in silence.
    # (A number, and «name=value» would make it a text: hence the form of a dictionary.)
    "--ServerApp.tornado_settings={'websocket_max_message_size': 104857600}",
    # Kernels speak through files that only their student may open. The usual way is a network port
    # that every other student on this computer could listen to.
    "--KernelManager.transport=ipc",
    "--LanguageServerManager.autodetect=False",  # it looks for language servers at every start
    "--MappingKernelManager.cull_idle_timeout=3600",  # a kernel that did nothing for an hour ends
    "--MappingKernelManager.cull_connected=True",  # even if its tab is still open
    "--MappingKernelManager.cull_interval=300",
]

# 30 students click the link in the same minute. Nobody is turned away; on few cores the last one
# waits, and a wait is not a failure.
c.JupyterHub.concurrent_spawn_limit = 0  # 0: no limit
c.Spawner.start_timeout = 300  # seconds
c.Spawner.http_timeout = 300

# A restart of the hub, for a setting that was forgotten, leaves the running lessons alone.
c.JupyterHub.cleanup_servers = False
