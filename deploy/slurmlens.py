"""The product's own programs as components: a node daemon per compute node, and the hub.

Renders their TOML (the one place that knows its keys here) and makes the dropboxes of the nodes, as tmpfiles.d and
systemd do on a real machine. They run as user slurmlens where that user may read the checkout, else as root.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.component import Service, listens, wait_ready
from deploy.errors import MachineLacks
from deploy.sandbox import CHECKOUT, PATH, Sandbox

PROGRAMS = CHECKOUT / ".venv/bin"
HUB_ADDRESS = "hub-address"
"""The file below an instance's folder that says where its hub answers."""
USER = "slurmlens"
DROPBOXES = "/run/slurmlens/events"
APP_SOCKETS = "/run/slurmlens-node"
# What /proc/PID/io of other users' processes needs: the file is its owner's alone, and reading it counts as tracing.
PROCESS_IO = ("sys_ptrace", "dac_read_search")
# All node daemons of an instance look at the one machine's processes.
SERIES_2015_INTERVAL_S = 5


@dataclass(frozen=True)
class NodeSettings:
    """What the node daemons of an instance have in common."""

    cluster: str
    hub_url: str
    carbon_port: int
    interval_s: float = 1.0
    slow_every: int = 5
    heartbeat_s: int = 10
    process_io: bool = True  # opt-in, with the capabilities above
    tables: str = ""  # further tables of the file


def node_toml(settings: NodeSettings, node: str, folder: Path) -> str:
    """The text of one node daemon's configuration file."""
    return f"""cluster = {_quoted(settings.cluster)}
node = {_quoted(node)}
dropbox_path = {_quoted(f"{DROPBOXES}/{node}")}
runtime_path = {_quoted(f"{folder}/run")}
heartbeat_interval_s = {settings.heartbeat_s}

[app_socket]
path = {_quoted(f"{APP_SOCKETS}/{node}/app.sock")}
send_interval_s = 1

[spool]
path = {_quoted(f"{folder}/spool")}

[sampling]
interval_s = {settings.interval_s}
slow_every = {settings.slow_every}

[sinks.hub]
url = {_quoted(settings.hub_url)}
backoff_max_s = 2

[sinks.carbon]
port = {settings.carbon_port}
backoff_max_s = 2

[series_2015]
interval_s = {SERIES_2015_INTERVAL_S}
{settings.tables}"""


# Who sees what in the demo: everybody his own jobs, root all, carol who used what, eve who looked at whose.
RULES = """
[access]
operators = ["root"]
management = ["carol"]
auditors = ["eve"]
users_see = "own"
link_s = 3600
"""


@dataclass(frozen=True)
class HubStores:
    """Where a hub keeps what it knows: without an address of a database, files of its own."""

    database_url: str = ""
    log_store: str = "sqlite"


FILES = HubStores()


def hub_toml(
    cluster: str,
    port: int,
    carbon_port: int,
    folder: Path,
    forwarders: Sequence[str] = (),
    rules: str = "",
    stores: HubStores = FILES,
) -> str:
    """The text of the hub's configuration file; `rules` are further tables, such as who may see what."""
    database_url = stores.database_url or f"sqlite:///{folder}/hub.sqlite3"
    return f"""cluster = {_quoted(cluster)}
runtime_path = {_quoted(f"{folder}/run")}

[listen]
port = {port}

[database]
url = {_quoted(database_url)}

[slurm]
poll_interval_s = 2
hook_dropbox = "/run/slurmlens/controller/events"

[logs]
store = {_quoted(stores.log_store)}
path = {_quoted(f"{folder}/logs")}
forwarders = {json.dumps(list(forwarders))}

[findings]
problems_path = {_quoted(str(CHECKOUT / "etc/slurmlens/problems"))}

[profile]
live_interval_s = 1
idle_interval_s = 5

[series_2015]
port = {carbon_port}
interval_s = 1
{rules}"""


class Hub(Service):
    """slurmlens-hub on a loopback port of its own."""

    def __init__(
        self,
        sandbox: Sandbox,
        cluster: str,
        carbon_port: int,
        forwarders: Sequence[str] = (),
        rules: str = "",
        stores: HubStores = FILES,
        port: int | None = None,
    ) -> None:
        self._forwarders, self._rules, self._stores = forwarders, rules, stores
        self.port = port or sandbox.ports.take()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder, self._cluster, self._carbon_port = sandbox.folder / "hub", cluster, carbon_port
        argv = [str(program("slurmlens-hub")), "--config", f"{self._folder}/hub.toml"]
        super().__init__(sandbox, "slurmlens-hub", argv, lambda: listens(self.port), user=user(sandbox))

    def start(self) -> None:
        owner = user(self._sandbox)
        for name in ("hub", "hub/run"):
            self._sandbox.make_folder(name, owner=owner)
        settings = self._folder / "hub.toml"
        settings.touch(mode=0o600)  # it may hold a password
        settings.write_text(self._toml())
        self._sandbox.run(["chown", owner, str(settings)])
        super().start()

    def _toml(self) -> str:
        given = self._forwarders, self._rules, self._stores
        return hub_toml(self._cluster, self.port, self._carbon_port, self._folder, *given)


class LogForwarder(Service):
    """`slurmlens forward` behind a daemon's log file: its lines get to the hub as those of `host`, proved as `node`."""

    def __init__(self, sandbox: Sandbox, log: Path, host: str, node: str, hub_url: str) -> None:
        command = (
            f'tail -n +1 -F "$1" 2>/dev/null | "$2" forward --node {node} --of {host} --program "$3" --hub {hub_url}'
        )
        argv = ["sh", "-c", command, "sh", str(log), str(program("slurmlens")), log.name.partition(".")[0]]
        super().__init__(sandbox, f"slurmlens-forward.{log.stem}", argv, lambda: True, user="root")


class NodeDaemon(Service):
    """slurmlens-node for one NodeName."""

    def __init__(self, sandbox: Sandbox, node: str, settings: NodeSettings) -> None:
        self.node = node
        self.folder = sandbox.folder / "node" / node
        self._settings = settings
        argv = [str(program("slurmlens-node")), "--config", f"{self.folder}/node.toml"]
        capabilities = PROCESS_IO if settings.process_io and user(sandbox) != "root" else ()
        super().__init__(
            sandbox, f"slurmlens-node.{node}", argv, self._has_socket, user=user(sandbox), capabilities=capabilities
        )

    def start(self) -> None:
        owner = user(self._sandbox)
        self._sandbox.make_folder("node")
        for name in ("", "/run"):
            self._sandbox.make_folder(f"node/{self.node}{name}", owner=owner)
        (self.folder / "node.toml").write_text(node_toml(self._settings, self.node, self.folder))
        super().start()

    def _has_socket(self) -> bool:
        """The status socket is the last thing that the daemon makes."""
        return any(stat.S_ISSOCK(path.stat().st_mode) for path in (self.folder / "run").iterdir())


def make_dropboxes(sandbox: Sandbox, nodes: Sequence[str]) -> None:
    """A dropbox, and a folder for the socket of jobs, per NodeName below the common ones: several share this host."""
    for node in nodes:
        sandbox.run(["install", "-d", "-o", "root", "-g", USER, "-m", "2770", f"{DROPBOXES}/{node}"])
        sandbox.run(["install", "-d", "-o", USER, "-g", USER, "-m", "755", f"{APP_SOCKETS}/{node}"])


def start_together(daemons: Sequence[NodeDaemon]) -> None:
    """Starts all, then waits for all."""
    for daemon in daemons:
        daemon.start()
    for daemon in daemons:
        wait_ready(daemon)


FURTHER_HOOKS = (
    ("PrologSlurmctld", "slurmlens-prolog-slurmctld", "slurmlens-hook"),
    ("EpilogSlurmctld", "slurmlens-epilog-slurmctld", "slurmlens-hook"),
    ("TaskProlog", "slurmlens-task-prolog", "slurmlens-task"),
    ("TaskEpilog", "slurmlens-task-epilog", "slurmlens-task"),
    ("SrunProlog", "slurmlens-srun-prolog", "slurmlens-task"),
    ("SrunEpilog", "slurmlens-srun-epilog", "slurmlens-task"),
)
"""slurm.conf's key, the name it calls, the program behind it."""


def hooks(sandbox: Sandbox) -> tuple[Path, Path]:
    """(Prolog, Epilog): the built emitter under both names, copied: a rebuild must not disturb a running Slurm."""
    built = CHECKOUT / "slurm_hooks/build/slurmlens-hook"
    if not built.exists():
        raise MachineLacks(f"{built.relative_to(CHECKOUT)} is not built: `make setup`")
    folder = sandbox.make_folder("hooks")
    sandbox.run(["install", "-m", "755", str(built), str(folder / "slurmlens-hook")])
    links = folder / "slurmlens-prolog", folder / "slurmlens-epilog"
    for link in links:
        link.symlink_to("slurmlens-hook")
    return links


def further_hooks(sandbox: Sandbox) -> str:
    """The lines of slurm.conf for the hooks of slurmctld, of tasks and of srun."""
    folder = sandbox.make_folder("hooks")
    task = CHECKOUT / "slurm_hooks/build/slurmlens-task"
    if not task.exists():
        raise MachineLacks(f"{task.relative_to(CHECKOUT)} is not built: `make setup`")
    sandbox.run(["install", "-m", "755", str(task), str(folder / task.name)])
    lines = []
    for key, name, program in FURTHER_HOOKS:
        link = folder / name
        link.symlink_to(program)
        lines.append(f"{key}={link}")
    return "\n".join(lines)


def spank_plugin(sandbox: Sandbox, arguments: str = "") -> str:
    """The line of plugstack.conf for the built plugin, which is copied for the reason above."""
    built = CHECKOUT / "slurm_hooks/spank/build/spank_slurmlens.so"
    if not built.exists():
        raise MachineLacks(f"{built.relative_to(CHECKOUT)} is not built: `make setup`")
    plugin = sandbox.make_folder("hooks") / built.name
    sandbox.run(["install", "-m", "755", str(built), str(plugin)])
    return f"optional {plugin} {arguments}\n"


def program(name: str) -> Path:
    """One of the product's programs in the checkout's virtual environment."""
    path = PROGRAMS / name
    if not path.exists():
        raise MachineLacks(f"{path.relative_to(CHECKOUT)} is not there: `make setup`")
    return path


def tell_hub(folder: Path, address: str) -> None:
    """Whoever enters the instance later asks this hub."""
    (folder / HUB_ADDRESS).write_text(address)


def shell_variables(folder: Path) -> dict[str, str]:
    """What a shell in an instance needs, so that `slurmlens jobs` is found there and asks the instance's hub."""
    told = folder / HUB_ADDRESS
    address = {"SLURMLENS_HUB": told.read_text()} if told.exists() else {}
    return {"PATH": f"{PATH}:{PROGRAMS}", **address}


def user(sandbox: Sandbox) -> str:
    """slurmlens, or root where the checkout lies in a folder that only root reaches."""
    return USER if sandbox.can_read(USER, PROGRAMS / "python") else "root"


def _quoted(text: str) -> str:
    return json.dumps(text)  # a TOML basic string has JSON's escapes
