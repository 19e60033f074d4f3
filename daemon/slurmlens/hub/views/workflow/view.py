"""Triggers and their invocations as people see them: the types that page, JSON and terminal share."""

from __future__ import annotations

import msgspec


class TriggerLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One trigger: by which rule, about which run, how far it is. `report` is its headline."""

    key: str
    rule: str
    job_id: int
    run: int
    made_ns: int
    state: str
    tone: str
    attempt: int
    begun_ns: int | None = None
    next_ns: int | None = None
    invocation: str | None = None
    problem: str | None = None
    report: str | None = None


class WorkflowsView(msgspec.Struct, frozen=True, kw_only=True):
    """The latest triggers, the newest first, and how many are in which state."""

    cluster: str
    made_ns: int
    sentence: str
    counts: dict[str, int]
    rows: tuple[TriggerLine, ...]
    is_on: bool = True
    """Whether the hub starts any."""
