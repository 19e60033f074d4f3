"""How slurmctld fares by its own counters, as lines of the USE table: pure.

Owns the formulas on what `sdiag` tells: RPC load and cycle times. Rates are over the time between the last two answers
where the counters were not reset between them, else since they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from slurmlens.hub.views.cluster.view import ResourceLine, UseCell
from slurmlens.shown import format as fmt
from slurmlens.shown.text import visible
from slurmlens.slurm.sdiag_text import SchedulerLoad, SchedulerStatistics

SLOW_CYCLE_US = 1_000_000
"""A main cycle during which nobody is served for a second."""

BUSY_RATIO = 0.5
US_PER_S = 1e6


class RpcRate(NamedTuple):
    """RPCs a second, and the share of time that one thread was busy with them, over so many seconds."""

    per_second: float
    busy_ratio: float
    over_s: int


def rpc_rate(load: SchedulerLoad) -> RpcRate | None:
    """None where no RPC was told, or no time went by."""
    last, before = load
    if before is None or before.since_s != last.since_s or before.at_s >= last.at_s:
        before = SchedulerStatistics(at_s=last.since_s, since_s=last.since_s, rpc_count=0, rpc_total_us=0)
    over_s = last.at_s - before.at_s
    if over_s <= 0 or last.rpc_count is None or last.rpc_total_us is None:
        return None
    count = max(0, last.rpc_count - (before.rpc_count or 0))
    return RpcRate(count / over_s, max(0, last.rpc_total_us - (before.rpc_total_us or 0)) / US_PER_S / over_s, over_s)


def controller_lines(load: SchedulerLoad | None) -> Iterator[ResourceLine]:
    """None where slurmctld did not say."""
    if load is None:
        return
    yield _requests(load)
    yield _cycles(load.last)


def _requests(load: SchedulerLoad) -> ResourceLine:
    last, rate = load.last, rpc_rate(load)
    if rate is None:
        utilisation = UseCell(text="not known")
    else:
        text = f"{fmt.digits(rate.per_second)} RPCs/s, {fmt.percent(rate.busy_ratio)} of one thread"
        if last.rpc_users and last.rpc_total_us:
            most = last.rpc_users[0]
            text += f"; most for {visible(most.user)} ({fmt.percent(most.total_us / last.rpc_total_us)})"
        tone = "warn" if rate.busy_ratio >= BUSY_RATIO else None
        utilisation = UseCell(text=text, ratio=min(1.0, rate.busy_ratio), tone=tone)
    return ResourceLine(
        name="slurmctld, RPCs",
        utilisation=utilisation,
        saturation=UseCell(
            text=f"{_told(last.server_threads)} threads busy, {_told(last.agent_queue)} messages wait to go out",
            tone="warn" if (last.agent_queue or 0) > 0 else None,
        ),
        errors=UseCell(text="none", tone="good")
        if not last.dbd_agent_queue
        else UseCell(text=f"{last.dbd_agent_queue} messages wait for slurmdbd", tone="bad"),
        formulas=(
            "time spent on RPCs / time, between the last two answers or since the counters were reset; who took most of"
            " it since then (sdiag, RPC statistics by user)",
            "server threads and the agent's queue now (sdiag)",
            "messages that slurmdbd has not taken yet (sdiag, DBD Agent queue size)",
        ),
    )


def _cycles(last: SchedulerStatistics) -> ResourceLine:
    spent_us = None if last.main_cycles is None or last.main_mean_us is None else last.main_cycles * last.main_mean_us
    over_s = last.at_s - last.since_s
    share = None if spent_us is None or over_s <= 0 else spent_us / US_PER_S / over_s
    slow = max(last.main_last_us or 0, last.backfill_last_us or 0) >= SLOW_CYCLE_US
    return ResourceLine(
        name="slurmctld, cycles",
        utilisation=UseCell(text="not known")
        if share is None
        else UseCell(text="of the time in the main scheduler", ratio=min(1.0, share)),
        saturation=UseCell(
            text=f"main {_time(last.main_last_us)} (longest {_time(last.main_max_us)}),"
            f" backfill {_time(last.backfill_last_us)}",
            tone="warn" if slow else None,
        ),
        errors=UseCell(text=f"{_told(last.queue_length)} in the queue, {_told(last.main_depth)} looked at a cycle"),
        formulas=(
            "main cycles times their mean / time since the counters were reset (sdiag)",
            "the last main and backfill cycle, and the longest main one since the reset (sdiag)",
            "jobs in the queue at the last main cycle, and how many a cycle looks at in the mean (sdiag); no errors are"
            " counted",
        ),
    )


def _told(value: int | None) -> str:
    return "?" if value is None else str(value)


def _time(microseconds: int | None) -> str:
    if microseconds is None:
        return "not known"
    return f"{fmt.digits(microseconds / 1000)} ms" if microseconds < US_PER_S else fmt.duration(microseconds / US_PER_S)
