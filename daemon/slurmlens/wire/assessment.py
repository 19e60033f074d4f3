"""The assessment of a run as it crosses programs: the ticket that says what is to be assessed, and what came of it.

Owns both documents and their JSON. A ticket is made by the hub's trigger (or by hand), goes through Galaxy's tools, and
comes back as an `Assessment` under the same key. Used by `assess`, and by the hub, which shows it on the job's page.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from slurmlens.errors import DecodeError

TICKET_VERSION = 1


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be assessed, and why. `key` names the trigger, once and for all; the window is in whole seconds."""

    version: int = TICKET_VERSION
    key: str
    rule: str
    cluster: str
    job_id: int
    run: int
    from_s: int
    to_s: int


class Score(msgspec.Struct, frozen=True):
    """One figure between 0 (bad) and 1, with the sentence that it stands on."""

    name: str
    value: float
    words: str


class KnownProblem(msgspec.Struct, frozen=True):
    """A problem that was recognised: by which sign, and what to do."""

    name: str
    words: str
    advice: str
    sign: str


class Assessment(msgspec.Struct, frozen=True):
    """The report's content."""

    key: str
    job_id: int
    run: int
    headline: str
    total: float | None
    scores: tuple[Score, ...]
    problems: tuple[KnownProblem, ...]


Document = TypeVar("Document")


def read_document(data: bytes, kind: type[Document]) -> Document:
    """A document of that kind; DecodeError where it is none."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, ValueError) as error:
        raise DecodeError(f"this is no {kind.__name__}: {error}", reason="assess") from error


def write_document(value: Any) -> bytes:
    """The bytes of a document, equal for equal values: sorted fields, a line break at the end."""
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=1) + b"\n"
