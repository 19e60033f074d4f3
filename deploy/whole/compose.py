"""The description written as a Compose file with its images and settings: `slurmlens stack compose --out FOLDER`.

What is written is all that an engine needs: `compose.yaml`, `images/NAME/` (a Containerfile and its entry script),
`etc/` and `secrets/`, which containers see read-only. Ports that the description publishes are bound to this machine's
loopback address, on a port that the engine chooses. Pure, but for `write`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy import accounts
from deploy.carbon import SHIPPED, carbon_conf, render_settings, schemas
from deploy.components import neo4j, opensearch
from deploy.errors import DeployError
from deploy.hardware import NodeShape
from deploy.munge import KEY_SIZE_BYTES
from deploy.whole.containerfiles import IMAGES, PREFIX, containerfile
from deploy.whole.description import ServiceDescription, named

HERE = Path(__file__).with_name("images")
WITHIN = frozenset({"munge"})
"""Rows that are no container: every container that speaks to Slurm runs its own munged."""
CARBON_QUERY_PORT = 7002
SECRETS = {
    "slurmdbd": ("munge.key", "slurmdbd.conf"),
    "slurmctld": ("munge.key",),
    "membership": ("munge.key",),
    "compute": ("munge.key",),
    "hub": ("munge.key", "hub.toml"),
    "mariadb": ("mariadb",),
    "postgresql": ("postgresql",),
}
"""Which secrets a service's container sees; users' jobs run in some containers."""
HOLD_PASSWORDS = ("slurmdbd.conf", "hub.toml")
"""Settings that are secrets, too."""
MOST_RESTARTS = 5


def compose(rows: Sequence[ServiceDescription], compute: int) -> dict[str, Any]:
    """The Compose file's content; DeployError where a service has no image of ours."""
    ours = {one.name for one in IMAGES}
    for row in rows:
        if row.image not in ours:
            raise DeployError(f"there is no Containerfile of ours for {row.name}: take the project's own image")
    names = {row.name for row in rows} - WITHIN
    services = {row.name: _service(row, compute, names) for row in rows if row.name not in WITHIN}
    volumes: dict[str, Any] = {_volume(row, path): {} for row in rows for path in row.volumes}
    return {"services": services, "volumes": volumes}


def _service(row: ServiceDescription, compute: int, names: set[str]) -> dict[str, Any]:
    needs = [need for need in row.needs if need in names]
    awaited = [f"{need}:{port.number}" for need in needs for port in named(need).ports[:1]]
    service: dict[str, Any] = {"image": f"{PREFIX}{row.image}", "command": [row.name, *awaited]}
    service["restart"] = f"on-failure:{MOST_RESTARTS}"
    service["volumes"] = ["./etc:/stack/etc:ro"]
    service["volumes"] += [f"./secrets/{name}:/stack/secrets/{name}:ro" for name in SECRETS.get(row.name, ())]
    service["volumes"] += [f"{_volume(row, path)}:{path}" for path in row.volumes]
    if row.grows:
        service["deploy"] = {"replicas": compute}
    else:
        service["hostname"] = row.name
    if row.privileged:
        service["privileged"] = True
        service["volumes"].append("/sys/fs/cgroup:/sys/fs/cgroup:rw")
    published = [f"127.0.0.1::{port.number}" for port in row.ports if port.is_published]
    return service | ({"ports": published} if published else {}) | ({"depends_on": needs} if needs else {})


def _volume(row: ServiceDescription, path: str) -> str:
    return f"{row.name}-{Path(path).name}"


def settings(rows: Sequence[ServiceDescription], shape: NodeShape, known: Mapping[str, str]) -> dict[str, str]:
    """The files below `etc/`, or `secrets/` for those that hold a password, by name; `known` are the passwords."""
    names = {row.name for row in rows}
    plain = "\n".join(
        f"{user.name}:x:{user.uid}:{user.uid}::/home:/bin/sh" for user in (*accounts.USERS, *accounts.SERVICE_USERS)
    )
    groups = "\n".join(f"{one.name}:x:{number}:" for one, number in _groups())
    interval = {"slurm_fast": 1, "slurm_slow": 5}
    return {
        "passwd": plain + "\n",
        "group": groups + "\n",
        "slurm.conf": _SLURM_CONF,
        "cgroup.conf": "CgroupPlugin=cgroup/v1\nCgroupMountpoint=/sys/fs/cgroup\nConstrainRAMSpace=no\n",
        "slurmdbd.conf": _SLURMDBD_CONF.format(password=known["mariadb"]),
        "accounts.sh": _accounts(),
        "node-shape": f"CPUs={shape.cpus} RealMemory={shape.memory_mib}\n",
        "register.py": (HERE / "register.py").read_text(),
        "hub.toml": _hub_toml(names, known),
        "node.toml": _NODE_TOML + ('\n[sinks.beats]\nhost = "logstash"\nport = 5044\n' if "logstash" in names else ""),
        "graphite/carbon.conf": carbon_conf(2003, CARBON_QUERY_PORT).replace(
            "LINE_RECEIVER_INTERFACE = 127.0.0.1", "LINE_RECEIVER_INTERFACE = 0.0.0.0"
        ),
        "graphite/storage-schemas.conf": schemas((SHIPPED / "storage-schemas.conf").read_text(), interval),
        "graphite/storage-aggregation.conf": (SHIPPED / "storage-aggregation.conf").read_text(),
        "graphite/render_settings.py": render_settings(CARBON_QUERY_PORT),
        "opensearch/opensearch.yml": opensearch.node_yml(9300, listens="0.0.0.0"),
        "neo4j/neo4j.conf": neo4j.settings(7687, 7474, proves=False, listens="0.0.0.0", name="neo4j"),
    }


def write(folder: Path, rows: Sequence[ServiceDescription], compute: int, shape: NodeShape) -> None:
    """Writes everything into the folder; secrets are new ones, of their owner alone."""
    known = {name: secrets.token_urlsafe(24) for name in ("mariadb", "postgresql")}
    kept = folder / "secrets"
    kept.mkdir(parents=True, mode=0o700)
    for name, secret in known.items():
        # The folder is its owner's; services in containers have numbers of their own.
        _write(kept / name, secret, 0o644)
    (kept / "munge.key").touch(mode=0o600)
    (kept / "munge.key").write_bytes(os.urandom(KEY_SIZE_BYTES))
    for name, text in settings(rows, shape, known).items():
        place = kept / name if name in HOLD_PASSWORDS else folder / "etc" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        _write(place, text, 0o644)
    wanted = {row.image for row in rows}
    for image in (one for one in IMAGES if one.name in wanted):
        place = folder / "images" / image.name
        place.mkdir(parents=True)
        _write(place / "Containerfile", containerfile(image), 0o644)
        _write(place / "entry", (HERE / "entry.sh").read_text(), 0o755)
    write_file(folder, rows, compute)


def write_file(folder: Path, rows: Sequence[ServiceDescription], compute: int) -> None:
    """Writes the Compose file alone: that of a stack that is there, for another number of compute nodes."""
    _write(folder / "compose.yaml", yaml(compose(rows, compute)), 0o644)


def yaml(document: Any) -> str:
    """The document as YAML in block style: mappings, lists, and words that JSON would write alike."""
    return (
        "# Written by `slurmlens stack compose` from deploy/whole/description.py.\n"
        + "\n".join(_lines(document, ""))
        + "\n"
    )


def _lines(value: Any, indent: str) -> Iterator[str]:
    items = value.items() if isinstance(value, dict) else ((None, one) for one in value)
    for key, item in items:
        head = f"{indent}{'-' if key is None else f'{key}:'}"
        if isinstance(item, dict | list) and item:
            yield head
            yield from _lines(item, f"{indent}  ")
        else:
            yield f"{head} {_scalar(item)}"


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value == {}:
        return "{}"
    return str(value) if isinstance(value, int) else f'"{value}"'


def _write(path: Path, text: str, mode: int) -> None:
    path.write_text(text)
    path.chmod(mode)


def _groups() -> Iterator[tuple[Any, int]]:
    yield from ((user, user.uid) for user in (*accounts.USERS, *accounts.SERVICE_USERS))
    yield from ((group, group.gid) for group in accounts.GROUPS)


def _accounts() -> str:
    lines = ["sacctmgr -i add cluster demo"]
    for group in accounts.GROUPS:
        members = ",".join(user.name for user in accounts.USERS if user.group == group.name)
        lines += [f"sacctmgr -i add account {group.name} cluster=demo Description={group.name} Organization=demo"]
        lines += [f"sacctmgr -i add user {members} account={group.name} cluster=demo"]
    return "\n".join(lines) + "\n"


def _hub_toml(names: set[str], known: Mapping[str, str]) -> str:
    text = _HUB_TOML
    if "postgresql" in names:
        text += f'\n[database]\nurl = "postgresql://slurmlens:{known["postgresql"]}@postgresql/postgres"\n'
    else:
        text += '\n[database]\nurl = "sqlite:////var/lib/slurmlens-hub/hub.sqlite3"\n'
    if "opensearch" in names:
        text += '\n[logs]\nstore = "opensearch"\n\n[logs.opensearch]\nurl = "http://opensearch:9200"\n'
    if "neo4j" in names:
        text += '\n[graph]\nurl = "bolt://neo4j:7687"\n'
    return text


_SLURM_CONF = """ClusterName=demo
SlurmctldHost=slurmctld
SlurmUser=slurm
AuthType=auth/munge
StateSaveLocation=/var/spool/slurmctld
SlurmdSpoolDir=/var/spool/slurmd
SlurmctldPidFile=/tmp/slurmctld.pid
SlurmdPidFile=/tmp/slurmd.pid
MailProg=/bin/true
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=slurmdbd
ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup
JobAcctGatherType=jobacct_gather/cgroup
PrologFlags=Contain
Prolog=/opt/slurmlens/bin/slurmlens-prolog
Epilog=/opt/slurmlens/bin/slurmlens-epilog
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
DebugFlags=NO_CONF_HASH
MaxNodeCount=1024
TreeWidth=65533
NodeSet=every Feature=compute
PartitionName=all Nodes=every Default=YES State=UP MaxTime=INFINITE DefMemPerCPU=256
"""

_SLURMDBD_CONF = """AuthType=auth/munge
DbdHost=slurmdbd
SlurmUser=slurm
StorageType=accounting_storage/mysql
StorageHost=mariadb
StorageUser=slurm
StoragePass={password}
PidFile=/tmp/slurmdbd.pid
DebugLevel=info
"""

_HUB_TOML = """cluster = "demo"
runtime_path = "/run/slurmlens-hub"

[listen]
host = "0.0.0.0"
names = ["hub", "127.0.0.1"]

[access]
operators = ["root"]
users_see = "own"

[slurm]
poll_interval_s = 5
"""

_NODE_TOML = """cluster = "demo"
node = "NODE"
dropbox_path = "/run/slurmlens/events"
runtime_path = "/run/slurmlens-node"
heartbeat_interval_s = 10

[spool]
path = "/var/lib/slurmlens"

[sampling]
interval_s = 1
slow_every = 5

[sinks.hub]
url = "http://hub:6830"
backoff_max_s = 2

[sinks.carbon]
host = "carbon"
backoff_max_s = 2
"""
