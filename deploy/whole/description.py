"""The one description of the stack: its services, in the order in which they start. Pure: a table and questions to it.

What a service needs is up before it starts; `proof` names the function in `proofs.py` that shows that it works.
Whoever adds a service adds a row here, how it runs as a process (`processes.py`) and its image (`containerfiles.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from deploy.errors import DeployError

VERSION = 1
"""Of this description: a stack that another one brought up can be shown and ended, and not changed."""


class Presence(Enum):
    """When a service is part of a stack."""

    ALWAYS = "always"
    USUAL = "unless left out"
    SWITCHED = "when asked for"


@dataclass(frozen=True)
class Port:
    """A TCP port, by the number that it has in a container; processes get a free one each."""

    name: str
    number: int
    is_published: bool = False  # reachable from the machine's loopback address with Compose, too


@dataclass(frozen=True)
class ServiceDescription:
    """One row of the table."""

    name: str
    what: str
    image: str
    ports: tuple[Port, ...] = ()
    volumes: tuple[str, ...] = ()  # folders in the container that outlive it
    needs: tuple[str, ...] = ()
    presence: Presence = Presence.USUAL
    proof: str = "runs"
    grows: bool = False  # as many as there are compute nodes
    privileged: bool = False  # writes cgroups and becomes users
    as_process: bool = True  # to be had without an image
    free_mib: int = 32  # of disk, when it starts


SERVICES: tuple[ServiceDescription, ...] = (
    ServiceDescription("munge", "who is who, for Slurm and for us", "slurm", presence=Presence.ALWAYS, proof="munge"),
    ServiceDescription(
        "consul",
        "who is where",
        "consul",
        (Port("http", 8500, True),),
        ("/var/lib/consul",),
        (),
        Presence.ALWAYS,
        "consul",
    ),
    ServiceDescription(
        "mariadb",
        "accounting's database",
        "mariadb",
        (Port("mysql", 3306),),
        ("/var/lib/mysql",),
        presence=Presence.ALWAYS,
        free_mib=200,
    ),
    ServiceDescription(
        "slurmdbd",
        "accounting",
        "slurm",
        (Port("slurmdbd", 6819),),
        (),
        ("munge", "mariadb"),
        Presence.ALWAYS,
        "slurmdbd",
    ),
    ServiceDescription(
        "slurmctld",
        "the scheduler",
        "slurm",
        (Port("slurmctld", 6817),),
        ("/var/spool/slurmctld",),
        ("munge", "slurmdbd"),
        Presence.ALWAYS,
        "slurmctld",
    ),
    ServiceDescription(
        "postgresql",
        "the hub's database",
        "postgresql",
        (Port("postgresql", 5432),),
        ("/var/lib/postgresql",),
        proof="postgresql",
        free_mib=150,
    ),
    ServiceDescription(
        "opensearch",
        "the store of log lines",
        "opensearch",
        (Port("http", 9200, True),),
        ("/var/lib/opensearch",),
        proof="opensearch",
        free_mib=100,
    ),
    ServiceDescription(
        "neo4j",
        "the graph",
        "neo4j",
        (Port("bolt", 7687, True), Port("http", 7474, True)),
        ("/var/lib/neo4j",),
        proof="neo4j",
        free_mib=100,
    ),
    ServiceDescription(
        "logstash",
        "takes events by Beats v2",
        "logstash",
        (Port("beats", 5044, True),),
        ("/var/lib/logstash",),
        proof="logstash",
    ),
    ServiceDescription(
        "carbon",
        "series of metrics, and /render before them",
        "graphite",
        (Port("plaintext", 2003, True), Port("render", 8888, True)),
        ("/var/lib/graphite",),
        presence=Presence.ALWAYS,
        proof="carbon",
        free_mib=100,
    ),
    ServiceDescription(
        "hub",
        "what the cluster knows, and its pages",
        "hub",
        (Port("http", 6830, True),),
        ("/var/lib/slurmlens-hub",),
        ("munge", "slurmctld", "carbon", "postgresql", "opensearch", "neo4j", "consul", "galaxy"),
        Presence.ALWAYS,
        "hub",
    ),
    ServiceDescription(
        "membership",
        "makes compute services of Consul nodes of Slurm",
        "hub",
        (),
        (),
        ("slurmctld", "consul"),
        Presence.ALWAYS,
        "membership",
    ),
    ServiceDescription(
        "compute",
        "a slurmd and a node daemon",
        "node",
        (Port("slurmd", 6818),),
        (),
        ("slurmctld", "hub", "carbon", "membership", "logstash"),
        Presence.ALWAYS,
        "compute",
        grows=True,
        privileged=True,
    ),
    ServiceDescription(
        "galaxy",
        "assesses what fails",
        "galaxy",
        (Port("http", 8080, True),),
        ("/var/lib/galaxy",),
        (),
        Presence.SWITCHED,
        "galaxy",
        free_mib=1500,
    ),
    ServiceDescription(
        "grafana",
        "boards",
        "grafana",
        (Port("http", 3000, True),),
        ("/var/lib/grafana",),
        ("carbon", "opensearch"),
        Presence.SWITCHED,
        as_process=False,
    ),
    ServiceDescription(
        "kibana",
        "log lines, the site's way",
        "kibana",
        (Port("http", 5601, True),),
        (),
        ("opensearch",),
        Presence.SWITCHED,
        as_process=False,
    ),
)


def named(name: str) -> ServiceDescription:
    """The row of that name; DeployError lists the names where there is none."""
    for row in SERVICES:
        if row.name == name:
            return row
    raise DeployError(f"the stack has no service {name!r}: {', '.join(row.name for row in SERVICES)}")


def chosen(extra: Iterable[str] = (), without: Iterable[str] = ()) -> list[ServiceDescription]:
    """The rows of a stack with these switched on and these left out, in the order in which they start.

    DeployError where a name is unknown, or cannot be left out.
    """
    added, removed = {named(name).name for name in extra}, {named(name).name for name in without}
    for name in sorted(removed):
        if named(name).presence is Presence.ALWAYS:
            raise DeployError(f"{name} cannot be left out: {named(name).what}")
    rows = [
        row
        for row in SERVICES
        if row.name not in removed and (row.presence is not Presence.SWITCHED or row.name in added)
    ]
    return ordered(rows)


def ordered(rows: Sequence[ServiceDescription]) -> list[ServiceDescription]:
    """The rows so that each comes after what it needs, of what is among them; DeployError names a circle."""
    left, done = list(rows), list[ServiceDescription]()
    while left:
        waiting = {row.name for row in left}
        free = next((row for row in left if not waiting & set(row.needs)), None)
        if free is None:
            raise DeployError(f"these wait for each other: {', '.join(sorted(waiting))}")
        left.remove(free)
        done.append(free)
    return done


def free_mib(rows: Iterable[ServiceDescription], compute: int) -> int:
    """How much disk they take when they start."""
    return sum(row.free_mib * (compute if row.grows else 1) for row in rows)
