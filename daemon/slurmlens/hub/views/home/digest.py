"""What ended on a day and what it cost, as a mail: one user's, and the cluster's for its operators. Pure.

Tasks of one array are one line. A subject names no job: mails lie about. Cost is what was held of the cluster, whatever
became of it; beside it stands what was used. Fed with rows of the list of jobs; sent by `hub.notices.digests`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from slurmlens.clock import NS_PER_S
from slurmlens.hub.history.facts import JobList, JobRow
from slurmlens.hub.views.home.build import Failure, own_use
from slurmlens.hub.views.jobs.build import job_line, row_extent
from slurmlens.shown import format as fmt
from slurmlens.shown.text import clip, pad, visible
from slurmlens.slurm.records import ENDED_UNWELL

MOST_LINES = 60
_STATE_COLUMNS = 18
_NAME_COLUMNS = 22


class DigestText(NamedTuple):
    """A mail's subject and text."""

    subject: str
    text: str


class OutOfService(NamedTuple):
    """A node that takes no jobs, its state in words and the reason that was given."""

    node: str
    word: str
    reason: str | None


def user_digest(
    rows: Sequence[JobRow],
    failures: Mapping[tuple[int, int], Failure],
    day: str,
    now_ns: int,
    web_address: str | None = None,
) -> DigestText:
    """Of the runs of one user that ended on `day`, newest first; `failures` says more of some that failed."""
    failed = sum(row.outcome.state in ENDED_UNWELL for row in rows)
    lines = [f"{fmt.count(len(rows), 'job')} ended on {day}, {failed or 'none'} of them failed.", ""]
    lines += _listed(rows, failures, now_ns)
    lines += ["", *_cost(rows, now_ns)]
    if web_address is not None:
        lines += ["", f"{web_address.rstrip('/')}/me"]
    lines += ["", "You are told this because you asked for it; `slurmlens notify --no-mail` ends it."]
    words = f", {failed} failed" if failed else ""
    return DigestText(f"{fmt.count(len(rows), 'job')} ended on {day}{words}", "\n".join(lines) + "\n")


def operator_digest(
    rows: Sequence[JobRow],
    out: Sequence[OutOfService],
    findings: Sequence[str],
    day: str,
    now_ns: int,
    *,
    is_cut: bool = False,
    web_address: str | None = None,
) -> DigestText:
    """Of all runs that ended on `day` (`is_cut`: of the newest of them), and of what is wrong now."""
    states = Counter(row.outcome.state.value.lower().replace("_", " ") for row in rows)
    counted = " (of the newest of them)" if is_cut else ""
    lines = [f"{fmt.count(len(rows), 'job')} ended on {day}{counted}."]
    lines += [f"  {count:>6}  {state}" for state, count in states.most_common()]
    lines += ["", *_cost(rows, now_ns), ""]
    lines.append(f"{fmt.count(len(out), 'node')} out of service now." if out else "All nodes are in service now.")
    lines += [
        f"  {visible(one.node)}: {one.word}, {visible(one.reason or 'no reason given')}" for one in out[:MOST_LINES]
    ]
    lines += ["", f"{fmt.count(len(findings), 'finding')} open." if findings else "No finding is open."]
    lines += [f"  {visible(one)}" for one in findings[:MOST_LINES]]
    if web_address is not None:
        lines += ["", f"{web_address.rstrip('/')}/cluster"]
    subject = f"{len(rows)} jobs ended on {day}, {fmt.count(len(out), 'node')} out, {len(findings)} findings open"
    return DigestText(subject, "\n".join(lines) + "\n")


def _listed(rows: Sequence[JobRow], failures: Mapping[tuple[int, int], Failure], now_ns: int) -> Iterator[str]:
    groups: dict[tuple[int, str], list[JobRow]] = {}
    for row in rows:
        groups.setdefault((row.array_job_id or row.job_id, row.outcome.state.value), []).append(row)
    for (job_id, _), own in list(groups.items())[:MOST_LINES]:
        line = job_line(own[0], now_ns)
        state = pad(clip(line.state_text, _STATE_COLUMNS - 1), _STATE_COLUMNS)
        name = pad(clip(visible(line.name or ""), _NAME_COLUMNS - 1), _NAME_COLUMNS)
        many = f"{len(own)} tasks, " if len(own) > 1 else ""
        core_s = sum(row_extent(row, now_ns).core_s or 0.0 for row in own)
        ran = fmt.duration(line.ran.used) if line.ran.used is not None else "not known how long"
        yield f"{state}{job_id:>9}  {name}{many}ran {ran}, {fmt.core_time(core_s)}"
        if (failure := failures.get((own[0].job_id, own[0].run))) is not None:
            yield f"    {visible(failure.headline)}"
            yield from (f"    -> {visible(one.text)}{f' {one.line}' if one.line else ''}" for one in failure.advice)
    if len(groups) > MOST_LINES:
        yield f"and {len(groups) - MOST_LINES} more."


def _cost(rows: Sequence[JobRow], now_ns: int) -> Iterator[str]:
    use = own_use(JobList(rows=tuple(rows), next=None), now_ns)
    gpu_s = sum((extent.gpus or 0) * (extent.ran_s or 0.0) for extent in (row_extent(row, now_ns) for row in rows))
    used = [f"{fmt.core_time(use.core_s)} held"]
    if use.cpu_ratio is not None:
        used.append(f"CPU {fmt.percent(use.cpu_ratio)}")
    if use.memory_ratio is not None:
        used.append(f"memory {fmt.percent(use.memory_ratio)} of what was asked")
    if gpu_s:
        used.append(f"{fmt.digits(gpu_s / 3600)} GPU-hours")
    lost = sum(row_extent(row, now_ns).core_s or 0.0 for row in rows if row.outcome.state in ENDED_UNWELL)
    yield f"Cost: {', '.join(used)}."
    if lost:
        yield f"Of it in jobs that failed: {fmt.core_time(lost)}."
    if use.helps:
        yield f"What would help most: {use.helps}."


def ended_within(rows: Sequence[JobRow], from_s: int, to_s: int) -> list[JobRow]:
    """Those that ended in this window."""
    return [row for row in rows if row.end_ns is not None and from_s * NS_PER_S <= row.end_ns < to_s * NS_PER_S]
