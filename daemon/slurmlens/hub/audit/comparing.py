"""Compares runs with what accounting says of them, figure by figure, and names the cause of each difference. Pure.

Owns the rules and their tolerances. A rule explains by what is known of how either figure comes about, never by its
size alone: CPU time that accounting has and we do not is explained by a part that went unseen, else not at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Sequence

from slurmlens.clock import NS_PER_S
from slurmlens.hub.audit.facts import (
    AuditCause,
    AuditFigure,
    DayAudit,
    FigureCount,
    FigureVerdict,
    JobAudit,
    MeasuredUse,
)
from slurmlens.slurm.accounted_use import AccountedUse

CPU_RELATIVE, CPU_S = 0.02, 0.1
"""Two per cent or a tenth of a second: the clock ticks and exits between two readings."""
MEMORY_RELATIVE = 0.05
SECOND_S = 1.001
PROLOG_S, CLEAN_UP_S = 120.0, 600.0
"""How long hooks may take; what is longer is not explained by them."""
MOST_JOBS = 200
MOST_MISSING = 200


def compare_day(
    day_s: int, now_ns: int, ours: Sequence[MeasuredUse], theirs: Sequence[AccountedUse], refused: int = 0
) -> DayAudit:
    """One day's runs against accounting's executions, matched by job id and submit time."""
    own = {(one.job_id, one.submit_s): one for one in ours}
    told = {(one.job_id, one.submit_s): one for one in theirs}
    audits = [compare(own[key], told[key]) for key in own if key in told]
    counts = Counter((verdict.figure, verdict.cause) for audit in audits for verdict in audit.verdicts)
    pairs = [_both(audit) for audit in audits]
    differing = [audit for audit in audits if any(one.cause is not AuditCause.AGREES for one in audit.verdicts)]
    differing.sort(key=lambda audit: (audit.is_explained, audit.job_id, audit.run))
    return DayAudit(
        day_s=day_s,
        made_ns=now_ns,
        compared=len(audits),
        only_here=_missing(own, told),
        only_there=_missing(told, own),
        refused_rows=refused,
        cpu_ours_s=round(sum(pair[0] for pair in pairs if pair), 3),
        cpu_theirs_s=round(sum(pair[1] for pair in pairs if pair), 3),
        counts=tuple(
            FigureCount(figure, cause, counts[figure, cause])
            for figure in AuditFigure
            for cause in AuditCause
            if counts[figure, cause]
        ),
        jobs=tuple(differing[:MOST_JOBS]),
    )


def compare(own: MeasuredUse, told: AccountedUse) -> JobAudit:
    """One run against its execution."""
    verdicts = (_state(own, told), _begin(own, told), _end(own, told), _cpu(own, told), _memory(own, told))
    return JobAudit(job_id=own.job_id, run=own.run, user=own.user or told.user, verdicts=verdicts)


def _state(own: MeasuredUse, told: AccountedUse) -> FigureVerdict:
    cause = AuditCause.AGREES
    if own.state is not told.state:
        cause = AuditCause.UNEXPLAINED if own.state.has_ended and told.state.has_ended else AuditCause.LATER_WORD
    return FigureVerdict(figure=AuditFigure.STATE, cause=cause, ours=own.state.value, theirs=told.state.value)


def _begin(own: MeasuredUse, told: AccountedUse) -> FigureVerdict:
    late_s = _later_s(own.start_ns, told.start_s)
    cause = _of_moment(late_s)
    if cause is None:
        cause = AuditCause.PROLOG if late_s is not None and 0 < late_s <= PROLOG_S else _unseen(own)
    return FigureVerdict(figure=AuditFigure.BEGIN, cause=cause, ours=_s(own.start_ns), theirs=told.start_s)


def _end(own: MeasuredUse, told: AccountedUse) -> FigureVerdict:
    late_s = _later_s(own.end_ns, told.end_s)
    cause = _of_moment(late_s)
    if cause is None:
        cause = AuditCause.CLEAN_UP if late_s is not None and 0 < late_s <= CLEAN_UP_S else _unseen(own)
    return FigureVerdict(figure=AuditFigure.END, cause=cause, ours=_s(own.end_ns), theirs=told.end_s)


def _of_moment(late_s: float | None) -> AuditCause | None:
    """None where the rule of the figure decides; accounting cuts off what is below a second."""
    if late_s is None:
        return AuditCause.NOT_MEASURED
    if abs(late_s) < 0.0005:
        return AuditCause.AGREES
    return AuditCause.WHOLE_SECONDS if abs(late_s) < SECOND_S else None


def _cpu(own: MeasuredUse, told: AccountedUse) -> FigureVerdict:
    ours, theirs = own.cpu_s, told.cpu_s
    if ours is None:
        cause = AuditCause.NOT_MEASURED
    elif theirs is None:
        cause = AuditCause.NOT_GATHERED
    elif abs(ours - theirs) <= max(CPU_S, CPU_RELATIVE * max(ours, theirs)):
        cause = AuditCause.AGREES
    else:
        cause = AuditCause.NOT_WAITED_FOR if ours > theirs else _unseen(own)
    return FigureVerdict(figure=AuditFigure.CPU, cause=cause, ours=ours, theirs=theirs)


def _memory(own: MeasuredUse, told: AccountedUse) -> FigureVerdict:
    ours, theirs = own.memory_peak_bytes, told.peak_task_bytes
    if ours is None:
        cause = AuditCause.NOT_MEASURED
    elif theirs is None:
        cause = AuditCause.NOT_GATHERED
    elif abs(ours - theirs) <= MEMORY_RELATIVE * max(ours, theirs):
        cause = AuditCause.AGREES
    elif ours > theirs:
        cause = AuditCause.TASK_NOT_JOB if told.tasks > 1 else AuditCause.SAMPLED_PEAK
    else:
        cause = AuditCause.SHARED_PAGES if own.is_whole else AuditCause.UNSEEN_PART
    return FigureVerdict(figure=AuditFigure.MEMORY, cause=cause, ours=ours, theirs=theirs)


def _unseen(own: MeasuredUse) -> AuditCause:
    return AuditCause.UNEXPLAINED if own.is_whole else AuditCause.UNSEEN_PART


def _later_s(ours_ns: int | None, theirs_s: int | None) -> float | None:
    return None if ours_ns is None or theirs_s is None else (ours_ns - theirs_s * NS_PER_S) / NS_PER_S


def _s(moment_ns: int | None) -> float | None:
    return None if moment_ns is None else round(moment_ns / NS_PER_S, 3)


def _both(audit: JobAudit) -> tuple[float, float] | None:
    cpu = next(one for one in audit.verdicts if one.figure is AuditFigure.CPU)
    return (cpu.ours, cpu.theirs) if isinstance(cpu.ours, float) and isinstance(cpu.theirs, float) else None


def _missing(there: Iterable[tuple[int, int | None]], other: Container[tuple[int, int | None]]) -> tuple[int, ...]:

    return tuple(sorted({key[0] for key in there if key not in other}))[:MOST_MISSING]
