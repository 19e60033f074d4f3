"""From what the hub answers to the exports: what depends on when one asked is left out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from slurmlens.assess.documents import InventoryOfNode, JobEvents, JobInventory, JobMetrics, TimedLine
from slurmlens.errors import DecodeError
from slurmlens.wire.assessment import Ticket

NS_PER_S = 1_000_000_000
MOST_LINES = 5_000


Answer = TypeVar("Answer")


class _MarkOfJob(msgspec.Struct):
    time_ns: int
    text: str
    where: str | None = None


class _JobAnswer(msgspec.Struct):
    marks: tuple[_MarkOfJob, ...] = ()


class _LineOfLog(msgspec.Struct):
    time_ns: int
    message: str
    node: str | None = None


class _LogAnswer(msgspec.Struct):
    rows: tuple[_LineOfLog, ...] = ()


class _FactOfNode(msgspec.Struct):
    attribute: str
    text: str


class _NodeAnswer(msgspec.Struct):
    name: str
    facts: tuple[_FactOfNode, ...] = ()


def export_metrics(answer: bytes) -> JobMetrics:
    """The figures, of the hub's answer about the run."""
    return _decoded(answer, JobMetrics)


def export_events(ticket: Ticket, job_answer: bytes, log_answer: bytes | None) -> JobEvents:
    """What the time line and the logs say within the ticket's window."""
    lines = [TimedLine(one.time_ns, one.text, one.where) for one in _decoded(job_answer, _JobAnswer).marks]
    if log_answer is not None:
        lines += [TimedLine(one.time_ns, one.message, one.node) for one in _decoded(log_answer, _LogAnswer).rows]
    return JobEvents(tuple(_within(ticket, lines))[:MOST_LINES])


def export_inventory(answers: Sequence[bytes]) -> JobInventory:
    """The nodes as they were, a hub's answer each."""
    nodes = (_decoded(answer, _NodeAnswer) for answer in answers)
    return JobInventory(
        tuple(InventoryOfNode(one.name, {fact.attribute: fact.text for fact in one.facts}) for one in nodes)
    )


def _within(ticket: Ticket, lines: Iterable[TimedLine]) -> Iterable[TimedLine]:
    inside = (one for one in lines if ticket.from_s * NS_PER_S <= one.time_ns < (ticket.to_s + 1) * NS_PER_S)
    return sorted(set(inside), key=lambda one: (one.time_ns, one.text, one.node or ""))


def _decoded(data: bytes, kind: type[Answer]) -> Answer:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, ValueError) as error:
        raise DecodeError(f"the answer is none of a hub of this release: {error}", reason="hub") from error
