"""How the node daemon fares, for whoever asks on this machine: a local socket that answers one JSON document.

Owns the socket and the one order that it takes: to look at one job every second for a while. What it says is made by
`pipeline` at each question. Whoever may open the socket (root and the group) may ask; whoever says nothing asks for the
status. Asked by `slurmlens status`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import msgspec

from slurmlens.events import DroppedLines
from slurmlens.telemetry.internal import InternalEvent, Reporter

MODE = 0o660
WRITE_TIMEOUT_S = 5.0
REQUEST_TIMEOUT_S = 0.2
LOOK_CLOSELY_MAX_S = 86_400.0


class JobStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One job on this node; `phase` is the registry's word."""

    job_id: int
    sighting: str
    phase: str
    slot: int | None
    cgroups: int
    since_ns: int


class SinkStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One receiver: what waits for it, and how the last try went. Ages in seconds, None for never or nothing."""

    name: str
    backlog_batches: int
    backlog_lines: int
    backlog_bytes: int
    lag_s: float | None
    delivered_ago_s: float | None
    failures_in_a_row: int
    last_error: str | None


class SpoolStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What waits, where, and what was given up in all. `mode`: lasting, volatile (its disk is memory), memory (it has
    no disk) or failing, for the reason `failure`.
    """

    path: str
    mode: str
    failure: str | None
    size_bytes: int
    max_bytes: int
    stored_bytes: int
    memory_bytes: int
    dropped: tuple[DroppedLines, ...]


class SamplerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What sampling costs against its budget (shares of one core)."""

    interval_s: float
    cgroups: int
    cost_share: float
    budget_share: float
    last_tick_s: float
    longest_tick_s: float
    ticks: int
    missed_ticks: int
    thinning: int
    profile_bytes: int


class FoundStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Where one receiver is; `is_fresh` is False while only the settings or an earlier daemon's memory say so."""

    sink: str
    addresses: tuple[str, ...]
    is_fresh: bool


class ConsulStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What Consul says, and how asking it fares; `settings` in force and `refused` ones name their keys in the KV."""

    url: str
    registered: bool
    health: str | None
    heard_ago_s: float | None
    last_error: str | None
    found: tuple[FoundStatus, ...]
    settings: dict[str, str]
    refused: tuple[str, ...]


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer; `counters` are spelled as Prometheus does."""

    version: str
    cluster: str
    node: str
    boot_id: str
    time_ns: int
    uptime_s: float
    cpu_s: float | None = None
    resident_bytes: int | None = None
    slots: int
    profile_interval_s: float
    dropbox_open: bool
    dropbox_waiting: int
    cgroup_tree_found: bool
    cgroup_tree_watched: bool
    unnamed_cgroups: int
    jobs: tuple[JobStatus, ...]
    sampler: SamplerStatus | None
    sinks: tuple[SinkStatus, ...]
    stages: dict[str, str]
    counters: dict[str, float]
    spool: SpoolStatus | None = None
    consul: ConsulStatus | None = None


FIGURE_TEXTS = {
    "uptime_s": "time since the daemon started",
    "process_cpu_s_total": "CPU time of the daemon",
    "process_resident_bytes": "resident memory of the daemon",
    "jobs_count": "jobs on this node",
    "dropbox_waiting_count": "hook events that are not in the spool yet",
    "sampler_cgroups_count": "cgroups that are read",
    "sampler_cost_ratio": "share of one core that sampling costs",
    "sampler_budget_ratio": "share of one core that sampling may cost",
    "sampler_last_tick_s": "duration of the last tick",
    "sampler_longest_tick_s": "duration of the longest tick so far",
    "sampler_ticks_total": "ticks",
    "sampler_missed_ticks_total": "ticks that were left out",
    "profile_bytes": "memory of the flight recorder",
    "spool_bytes": "what waits in the spool for receivers",
    "spool_limit_bytes": "what may wait there",
    "spool_stored_bytes": "what of it is on the disk",
    "spool_well": "1: the spool's disk is in order; 0: it fails, or there is none",
}


def figures(status: NodeStatus) -> dict[str, float]:
    """What of a status is a number and no counter, by the names of `FIGURE_TEXTS`; what is not known is not there."""
    sampler = status.sampler
    found: dict[str, float | None] = {
        "uptime_s": status.uptime_s,
        "process_cpu_s_total": status.cpu_s,
        "process_resident_bytes": status.resident_bytes,
        "jobs_count": len(status.jobs),
        "dropbox_waiting_count": status.dropbox_waiting,
    }
    if sampler is not None:
        found |= {
            "sampler_cgroups_count": sampler.cgroups,
            "sampler_cost_ratio": sampler.cost_share,
            "sampler_budget_ratio": sampler.budget_share,
            "sampler_last_tick_s": sampler.last_tick_s,
            "sampler_longest_tick_s": sampler.longest_tick_s,
            "sampler_ticks_total": sampler.ticks,
            "sampler_missed_ticks_total": sampler.missed_ticks,
            "profile_bytes": sampler.profile_bytes,
        }
    if status.spool is not None:
        found |= spool_figures(status.spool)
    return {name: value for name, value in found.items() if value is not None}


def spool_figures(spool: SpoolStatus) -> dict[str, float]:
    """The part of them that a relay has, too."""
    return {
        "spool_bytes": spool.size_bytes,
        "spool_limit_bytes": spool.max_bytes,
        "spool_stored_bytes": spool.stored_bytes,
        "spool_well": float(spool.mode in ("lasting", "volatile")),
    }


STATUS_UNAVAILABLE = InternalEvent(
    "status_socket_unavailable",
    logging.WARNING,
    "{path}: {cause_text}; `slurmlens status` cannot ask this daemon. Does the folder exist and may it be written?",
)


class Refusal(msgspec.Struct, frozen=True):
    """The answer to an order that was not carried out."""

    error: str


class LookClosely(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The order, one line of JSON: read job `job_id` every second, for `seconds` from now."""

    job_id: int
    seconds: Annotated[float, msgspec.Meta(gt=0, le=LOOK_CLOSELY_MAX_S)]


class StatusServer:
    """Answers every connection with the document that `snapshot` makes, then hangs up.

    `look_closely` says whether it found the job; where not, and for a line that is no order, the answer is an `error`.
    """

    def __init__(
        self,
        path: Path,
        snapshot: Callable[[], Awaitable[msgspec.Struct]],
        look_closely: Callable[[LookClosely], Awaitable[bool]],
        reporter: Reporter,
    ) -> None:
        self._path = path
        self._snapshot = snapshot
        self._look_closely = look_closely
        self._reporter = reporter

    async def run(self) -> None:
        """Serve until cancelled; a socket that cannot be made is told, and the daemon goes on without."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()
            server = await asyncio.start_unix_server(self._answer, self._path)
            os.chmod(self._path, MODE)
        except OSError as error:
            self._reporter.report(STATUS_UNAVAILABLE, path=self._path, cause_text=error.strerror or str(error))
            return
        async with server:
            try:
                await server.serve_forever()
            finally:
                with contextlib.suppress(OSError):
                    self._path.unlink()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(msgspec.json.encode(await self._obey(await _request(reader))) + b"\n")
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await writer.drain()
        except (OSError, TimeoutError):
            pass  # whoever asked has left
        finally:
            writer.close()

    async def _obey(self, line: bytes) -> msgspec.Struct:
        if line.strip():
            try:
                order = msgspec.json.decode(line, type=LookClosely)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                return Refusal(error=f"no order: {error}")
            if not await self._look_closely(order):
                return Refusal(error=f"job {order.job_id} is not sampled on this node")
        return await self._snapshot()


async def _request(reader: asyncio.StreamReader) -> bytes:
    """The line that was sent; nothing where none came in time, or one that does not end."""
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            return await reader.readline()
    except (TimeoutError, ValueError):
        return b""
