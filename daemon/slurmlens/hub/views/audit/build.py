"""Audits to what is shown of them, as page, CSV and terminal: pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from slurmlens.hub.audit.facts import CAUSE_WORDS, AuditCause, AuditFigure, DayAudit, FigureVerdict, JobAudit
from slurmlens.hub.views.audit.view import AuditCountLine, AuditDayLine, AuditJobLine, AuditView
from slurmlens.shown import format as fmt
from slurmlens.shown.csv import csv_table
from slurmlens.shown.terminal import Sheet
from slurmlens.shown.text import visible, wrap

_HEADER = ("job_id", "run", "user", "figure", "ours", "theirs", "cause")
_WORDS_FROM = 19
"""The column at which a terminal shows why figures differ."""


def build_audit_view(cluster: str, days: Sequence[DayAudit], chosen: DayAudit | None, now_ns: int) -> AuditView:
    """The list of days, and one in detail."""
    return AuditView(
        cluster=cluster,
        made_ns=now_ns,
        sentence=_sentence(chosen),
        day=None if chosen is None else _day(chosen.day_s),
        days=tuple(_line(one) for one in days),
        counts=() if chosen is None else tuple(_counts(chosen)),
        jobs=() if chosen is None else tuple(line for job in chosen.jobs for line in _job_lines(job)),
        only_here=() if chosen is None else chosen.only_here,
        only_there=() if chosen is None else chosen.only_there,
        refused_rows=0 if chosen is None else chosen.refused_rows,
    )


def _sentence(chosen: DayAudit | None) -> str:
    if chosen is None:
        return "No day was audited yet: each is two hours after its end, where there is accounting."
    jobs = fmt.count(chosen.compared, "job")
    if not chosen.compared:
        day = _day(chosen.day_s)
        return f"{day}: no job to compare. `slurmlens audit --day YYYY-MM-DD --make` audits another day at once."
    last = "every difference is explained" if not chosen.unexplained else f"{chosen.unexplained} figures are not"
    ratio = f", {100 * chosen.cpu_ours_s / chosen.cpu_theirs_s:.2f} % of accounting's" if chosen.cpu_theirs_s else ""
    return f"{_day(chosen.day_s)}: {jobs} compared; {fmt.core_time(chosen.cpu_ours_s)} of CPU time{ratio}; {last}."


def _line(one: DayAudit) -> AuditDayLine:
    return AuditDayLine(
        day=_day(one.day_s),
        compared=one.compared,
        cpu_ours_s=one.cpu_ours_s,
        cpu_theirs_s=one.cpu_theirs_s,
        unexplained=one.unexplained,
        only_here=len(one.only_here),
        only_there=len(one.only_there),
    )


def _counts(one: DayAudit) -> Iterator[AuditCountLine]:
    for figure, cause, jobs in ((count.figure, count.cause, count.jobs) for count in one.counts):
        is_explained = cause is not AuditCause.UNEXPLAINED
        words = CAUSE_WORDS[cause]
        yield AuditCountLine(figure=figure.value, cause=cause.value, words=words, jobs=jobs, is_explained=is_explained)


def _job_lines(job: JobAudit) -> Iterator[AuditJobLine]:
    for verdict in job.verdicts:
        if verdict.cause in (AuditCause.AGREES, AuditCause.WHOLE_SECONDS):
            continue
        ours, theirs = (_value(verdict, value) for value in (verdict.ours, verdict.theirs))
        yield AuditJobLine(
            job_id=job.job_id,
            run=job.run,
            user=visible(job.user or "–"),
            figure=verdict.figure.value,
            ours=ours,
            theirs=theirs,
            cause=CAUSE_WORDS[verdict.cause],
            is_explained=verdict.cause is not AuditCause.UNEXPLAINED,
        )


def _value(verdict: FigureVerdict, value: float | str | None) -> str:
    if value is None or isinstance(value, str):
        return value or "–"
    if verdict.figure is AuditFigure.CPU:
        return f"{value:.2f} s"
    if verdict.figure is AuditFigure.MEMORY:
        return fmt.memory(value)
    return fmt.iso(round(value * 1e9)) or "–"


def _day(day_s: int) -> str:
    return datetime.fromtimestamp(day_s, UTC).date().isoformat()


def audit_csv(view: AuditView) -> str:
    """The differing figures of the day."""
    rows = ((one.job_id, one.run, one.user, one.figure, one.ours, one.theirs, one.cause) for one in view.jobs)
    return csv_table(_HEADER, rows)


def render_audit(view: AuditView, sheet: Sheet) -> str:
    """The same as text, ending in a newline."""
    lines = [*wrap(view.sentence, sheet.columns), ""]
    for one in view.counts:
        first, *rest = wrap(one.words, sheet.columns - _WORDS_FROM)
        text = [f"  {one.figure:<7} {one.jobs:>7}  {first}", *(f"{'':{_WORDS_FROM}}{line}" for line in rest)]
        lines += text if one.is_explained else [sheet.ink.paint(line, "bad") for line in text]
    for what, numbers in (("the hub alone", view.only_here), ("accounting alone", view.only_there)):
        if numbers:
            lines.append(f"  known to {what}: {' '.join(map(str, numbers[:12]))}")
    unexplained = [one for one in view.jobs if not one.is_explained]
    lines += [""] if unexplained else []
    lines += [f"  job {one.job_id}: {one.figure} {one.ours} here, {one.theirs} there" for one in unexplained[:20]]
    if len(view.days) > 1:
        lines += ["", "  day         jobs  here/there  unexplained"]
        for day in view.days[:14]:
            ratio = f"{day.cpu_ours_s / day.cpu_theirs_s:.4f}" if day.cpu_theirs_s else "–"
            lines.append(f"  {day.day} {day.compared:>6} {ratio:>11} {day.unexplained:>12}")
    return "\n".join(line.rstrip() for line in lines) + "\n"
