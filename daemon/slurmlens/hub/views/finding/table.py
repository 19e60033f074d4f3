"""Findings, and what was said of them, as CSV. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from slurmlens.hub.views.finding.view import FeedbackLine, FeedbackView, FindingLine, FindingsView
from slurmlens.shown import format as fmt
from slurmlens.shown.csv import csv_table

HEADER = ("name", "incident", "kind", "subject_kind", "subject", "state", "rank", "score", "p", "first", "last", "jobs")
FEEDBACK_HEADER = ("time", "who", "word", "label", "finding", "kind", "subject_kind", "subject", "detail", "undone")


def findings_csv(lines: Iterable[FindingLine]) -> str:
    """One line a finding."""
    return csv_table((*HEADER, "sentence"), map(_row, lines))


def all_lines(view: FindingsView) -> list[FindingLine]:
    """Every finding of a list, incident by incident."""
    return [line for row in view.rows for line in (row.lead, *row.others)]


def _row(line: FindingLine) -> tuple[object, ...]:
    return (
        line.name,
        line.incident,
        line.kind.value,
        line.subject_kind,
        line.subject,
        line.state.value,
        line.rank,
        line.score,
        line.p,
        fmt.iso(line.first_ns),
        fmt.iso(line.last_ns),
        " ".join(map(str, line.jobs)),
        line.sentence,
    )


def feedback_csv(view: FeedbackView) -> str:
    """One line a word."""
    return csv_table(FEEDBACK_HEADER, map(_feedback_row, view.words))


def _feedback_row(line: FeedbackLine) -> tuple[object, ...]:
    undone = None if line.undone_ns is None else fmt.iso(line.undone_ns)
    about = (line.finding, line.kind, line.subject_kind, line.subject, line.detail)
    return (fmt.iso(line.at_ns), line.who, line.word, line.label, *about, undone)
