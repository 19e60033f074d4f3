"""What the room answers to those who ask: findings with what was said of them. Does no input or output."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from slurmlens.hub.findings.claims import Finding, FindingKind, Said


class Helped(NamedTuple):
    """How often a known problem was met here and ended, and how often it did not come back within a week."""

    ended: int = 0
    helped: int = 0


class FindingFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One finding, the others of its incident, what was said of it (the newest first), and how its remedy fared."""

    finding: Finding
    incident: tuple[Finding, ...] = ()
    words: tuple[Said, ...] = ()
    helped: Helped = Helped()
    sees_all: bool = True
    """Whether the reader sees all jobs; who does not is told the hint alone."""


class FindingFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which findings; None is any. Those that are not over, unless `is_over`; by rank, those that are over by time."""

    is_over: bool = False
    kind: FindingKind | None = None
    limit: int = 200
