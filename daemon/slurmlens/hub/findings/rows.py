"""Rows of the tables as the room's types, and back. Pure. Used by `keeping` and `read`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from slurmlens.hub.findings.claims import Claim, ClosedWhy, Finding, FindingKind, FindingState, Said, Word
from slurmlens.hub.inventory.entities import Entity

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Claim)


def finding_of(row: Mapping[str, Any]) -> Finding:
    """A row of `findings`."""
    return Finding(
        number=row["number"],
        claim=_decoder.decode(row["claim"]),
        incident=row["incident"],
        state=FindingState(row["state"]),
        rank=row["rank"],
        rank_note=row["rank_note"],
        first_ns=row["first_ns"],
        last_ns=row["last_ns"],
        closed_ns=row["closed_ns"],
        closed_why=ClosedWhy(row["closed_why"]) if row["closed_why"] else None,
    )


def row_of(finding: Finding, cluster: str) -> dict[str, Any]:
    """A row of `findings`, by column."""
    claim = finding.claim
    return {
        "number": finding.number,
        "cluster": cluster,
        "kind": claim.kind.value,
        "subject_kind": claim.subject.kind,
        "subject_name": claim.subject.name,
        "detail": claim.detail,
        "incident": finding.incident,
        "state": finding.state.value,
        "rank": finding.rank,
        "rank_note": finding.rank_note,
        "first_ns": finding.first_ns,
        "last_ns": finding.last_ns,
        "closed_ns": finding.closed_ns,
        "closed_why": None if finding.closed_why is None else finding.closed_why.value,
        "claim": _encoder.encode(claim),
    }


def said_of(row: Mapping[str, Any]) -> Said:
    """A row of `finding_words`."""
    return Said(
        number=row["number"],
        finding=row["finding"],
        kind=FindingKind(row["kind"]),
        subject=Entity(row["subject_kind"], row["subject_name"]),
        detail=row["detail"],
        word=Word(row["word"]),
        who=row["who"],
        at_ns=row["at_ns"],
        label=row["label"],
        until_ns=row["until_ns"],
        undone_ns=row["undone_ns"],
        undone_by=row["undone_by"],
    )


def word_row(said: Said, cluster: str) -> dict[str, Any]:
    """A row of `finding_words`, by column."""
    return {
        "number": said.number,
        "cluster": cluster,
        "finding": said.finding,
        "kind": said.kind.value,
        "subject_kind": said.subject.kind,
        "subject_name": said.subject.name,
        "detail": said.detail,
        "word": said.word.value,
        "who": said.who,
        "at_ns": said.at_ns,
        "label": said.label,
        "until_ns": said.until_ns,
        "undone_ns": said.undone_ns,
        "undone_by": said.undone_by,
    }
