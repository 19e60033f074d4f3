"""Carbon series under the names of 2015, byte for byte, so that boards of the ancestor still show data; pure.

Owns what those names are and what stands below them:

    servers.HOST.network.INTERFACE.{rx_byte,tx_byte,rx_bit,tx_bit}       a second
    servers.HOST.proc.ctxt                                               context switches a second
    psutil.TYPE.HOST.user.USER                                           processes of a user that is not root
    psutil.TYPE.HOST.state.STATE                                         processes in that state
    psutil.TYPE.HOST.USER.PROGRAM.{num_threads,cpu_user,cpu_system,ctx_sw_vol,ctx_sw_invol,ctx_fds}   of what runs
    slurm.stats.{users.USER,groups.GROUP}.{RUNNING,PENDING}.{jobs,nodes,cpus}
    slurm.stats.total.{RUNNING,PENDING}.{jobs,nodes,cpus}                new: boards summed users and groups into one

Invariant: a foreign name is one component, as everywhere (`wire.carbon`). Fed by `node.series_2015` and
`hub.queue_series`. Sources: Diamond's NetworkCollector and ProcessStatCollector, and the ancestor's own collectors.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from slurmlens.wire.carbon import component, host_component

BITS_PER_BYTE = 8
HOST_AT = {"servers": 1, "psutil": 2}
"""Which component of a path is a host's name, by the first one."""

Point = tuple[Sequence[str], float]
"""A path, component by component, and its value."""

PROGRAM_FIGURES = ("num_threads", "cpu_user", "cpu_system", "ctx_sw_vol", "ctx_sw_invol", "ctx_fds")


def network(host: str, interface: str, received_bytes: float, sent_bytes: float) -> list[Point]:
    """Of one interface; both are bytes a second."""
    folder = ("servers", host, "network", interface)
    return [
        ((*folder, f"{way}_{unit}"), amount * factor)
        for way, amount in (("rx", received_bytes), ("tx", sent_bytes))
        for unit, factor in (("byte", 1), ("bit", BITS_PER_BYTE))
    ]


def context_switches(host: str, per_second: float) -> Point:
    """Of the whole node."""
    return ("servers", host, "proc", "ctxt"), per_second


def processes(kind: str, host: str, of_what: str, name: str, count: int) -> Point:
    """How many there are; `of_what` is `user` or `state`, `kind` the TYPE of the path."""
    return ("psutil", kind, host, of_what, name), count


def program(kind: str, host: str, user: str, name: str, figures: Iterable[tuple[str, float]]) -> list[Point]:
    """What the running processes of one program do, of `PROGRAM_FIGURES`."""
    return [(("psutil", kind, host, user, name, figure), value) for figure, value in figures]


def queue(whose: Sequence[str], state: str, jobs: int, nodes: int, cpus: int) -> list[Point]:
    """What runs or waits; `whose` is ("users", USER), ("groups", GROUP) or ("total",)."""
    folder = ("slurm", "stats", *whose, state)
    return [((*folder, leaf), count) for leaf, count in (("jobs", jobs), ("nodes", nodes), ("cpus", cpus))]


def lines(points: Iterable[Point], time_s: int) -> list[bytes]:
    """One line each; what is no number makes none."""
    return [
        f"{'.'.join(_components(path))} {value:.15g} {time_s}\n".encode("ascii")
        for path, value in points
        if math.isfinite(value)
    ]


def _components(path: Sequence[str]) -> list[str]:
    host_at = HOST_AT.get(path[0])
    return [host_component(name) if at == host_at else component(name) for at, name in enumerate(path)]
