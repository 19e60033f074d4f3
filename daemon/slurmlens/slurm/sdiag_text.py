"""What `sdiag` prints: how slurmctld fares by its own counters.

Owns `SchedulerStatistics`, and how they are read. Text, for every release prints it (JSON came with 23.02), in
sections: the controller's threads and queues, the main scheduler, backfill, RPCs by user. Pure.
Fed by `source`; feeds the hub's `statistics_poller`. Format and meaning: sdiag(1). Times are microseconds there and
here; a figure that is missing is None, never 0.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from slurmlens.errors import DecodeError
from slurmlens.slurm.json_values import cleaned
from slurmlens.slurm.pieces import Pieces, text_lines

MOST_USERS = 64
_MOST = 2**63 - 1
_FIGURE = re.compile(r"^\s*([A-Za-z][\w /()-]*?):?\s*:\s*(\d{1,19})\s*$")
_MOMENT = re.compile(r"\((\d{1,19})\)\s*$")
_RPC = re.compile(r"^\s+(\S+)\s+\(\s*\d+\) count:(\d{1,19})\s+ave_time:\d+\s+total_time:(\d{1,19})\s*$")


class RpcUse(msgspec.Struct, frozen=True, kw_only=True):
    """What one user asked slurmctld for since the counters were reset."""

    user: str
    count: int
    total_us: int


class SchedulerStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. Counters run from `since_s`: midnight UTC, the controller's start, or `sdiag --reset`."""

    at_s: int
    since_s: int
    server_threads: int | None = None
    agent_queue: int | None = None
    dbd_agent_queue: int | None = None
    main_cycles: int | None = None
    main_last_us: int | None = None
    main_mean_us: int | None = None
    main_max_us: int | None = None
    main_depth: int | None = None
    queue_length: int | None = None
    backfill_last_us: int | None = None
    backfill_mean_us: int | None = None
    backfill_max_us: int | None = None
    backfill_depth: int | None = None
    backfilled_jobs: int | None = None
    rpc_count: int | None = None
    rpc_total_us: int | None = None
    rpc_users: tuple[RpcUse, ...] = ()
    """Who asked most, by time."""


class SchedulerLoad(NamedTuple):
    """What sdiag said last, and a minute before; None where it was heard once."""

    last: SchedulerStatistics
    before: SchedulerStatistics | None


_HEAD = {
    "Server thread count": "server_threads",
    "Agent queue size": "agent_queue",
    "DBD Agent queue size": "dbd_agent_queue",
}
_MAIN = {
    "Total cycles": "main_cycles",
    "Last cycle": "main_last_us",
    "Mean cycle": "main_mean_us",
    "Max cycle": "main_max_us",
    "Mean depth cycle": "main_depth",
    "Last queue length": "queue_length",
}
_BACKFILL = {
    "Last cycle": "backfill_last_us",
    "Mean cycle": "backfill_mean_us",
    "Max cycle": "backfill_max_us",
    "Depth Mean": "backfill_depth",
    "Total backfilled jobs (since last stats cycle start)": "backfilled_jobs",
}
_SECTIONS: tuple[tuple[str, dict[str, str]], ...] = (
    ("Main schedule statistics", _MAIN),
    ("Main scheduler exit", {}),
    ("Backfilling stats", _BACKFILL),
    ("Backfill exit", {}),
    ("Latency for", {}),
    ("Remote Procedure Call statistics by message type", {}),
    ("Remote Procedure Call statistics by user", {}),
    ("Pending RPC", {}),
)
_BY_USER = "Remote Procedure Call statistics by user"


def statistics(pieces: Pieces) -> SchedulerStatistics:
    """The answer; DecodeError where it does not say when it is from, which every release does."""
    figures: dict[str, int] = {}
    moments: dict[str, int] = {}
    users: list[RpcUse] = []
    names, section = _HEAD, ""
    for line in text_lines(pieces):
        begun = next(((title, own) for title, own in _SECTIONS if line.startswith(title)), None)
        if begun is not None:
            section, names = begun
        elif line.startswith(("sdiag output at", "Data since")) and (moment := _MOMENT.search(line)):
            moments[line[:4]] = int(moment[1])
        elif section == _BY_USER and (rpc := _RPC.match(line)):
            users.append(RpcUse(user=cleaned(rpc[1]), count=_bounded(rpc[2]), total_us=_bounded(rpc[3])))
        elif (figure := _FIGURE.match(line)) and figure[1] in names:
            figures.setdefault(names[figure[1]], _bounded(figure[2]))
    if "sdia" not in moments or "Data" not in moments:
        raise DecodeError("what sdiag prints does not say when it is from", reason="shape")
    if users:
        figures["rpc_count"] = min(_MOST, sum(one.count for one in users))
        figures["rpc_total_us"] = min(_MOST, sum(one.total_us for one in users))
    users.sort(key=lambda one: (-one.total_us, one.user))
    at_s, since_s = (_bounded(str(moments[name])) for name in ("sdia", "Data"))
    return SchedulerStatistics(at_s=at_s, since_s=since_s, rpc_users=tuple(users[:MOST_USERS]), **figures)


def _bounded(digits: str) -> int:
    return min(_MOST, int(digits))
