"""Settings of the socket at which processes of jobs report their progress.

Part of the settings of `slurmlens-node`; read by `node.appsocket`. Limits are a job's on one node: a job that says more
is refused the rest, and others do not notice.
"""

from pathlib import Path

from slurmlens.config.setting import Settings, setting


class AppSocketConfig(Settings):
    """Where processes of jobs say how far they are (`slurmlens progress`), and how much each job may say."""

    enabled: bool = setting(True, "whether there is such a socket")
    path: Path | None = setting(
        None,
        "the socket, app.sock in `runtime_path` where not set; every user must be able to enter its folder. Programs "
        "look in /run/slurmlens-node/NODENAME and /run/slurmlens-node; in a container they find the abstract name "
        "slurmlens-app/NODENAME",
        example='"/run/slurmlens-node/app.sock"',
    )
    send_interval_s: float = setting(
        5.0, "the latest word of each task goes to the hub so often", minimum=1, maximum=60
    )
    messages_per_s: float = setting(100.0, "messages of a job; twice as many at once", minimum=1, maximum=1000)
    events_per_minute: int = setting(30, "events of a job, which stand on its time line", minimum=1, maximum=600)
    value_series: bool = setting(
        False,
        "named values are series of the job's slot as well, progress_value.NAME; a name is a series for ever",
    )
    tasks: int = setting(16, "tasks of a job whose progress is followed", minimum=1, maximum=1024)
    names: int = setting(16, "names of values that a job may report beside its progress", minimum=1, maximum=64)
