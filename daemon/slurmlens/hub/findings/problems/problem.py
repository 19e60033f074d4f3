"""A known problem, as its file says it: the types. Pure.

Owns the format, version 1 (`docs/findings.md` has it as a table). `about` is what one incident is about: "node", "job",
"user", "cluster", or the name of an event's field (a server, a target, a device): then each value of it is one.
"""

from __future__ import annotations

import msgspec

from slurmlens.hub.findings.claims import FindingKind


class Sign(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One thing to look for; what is set must hold of the same thing. One of `event`, `finding`, `reason`, `job_state`,
    `exit_code`, `exit_signal` and `figure` says what is looked at.

    `event`: log lines of these kinds, with `fields` of these values and words of `contains`; at least `count` of them,
    on `nodes` nodes, of `jobs` jobs and `users` users. `finding`: a finding of these kinds stands. `reason`: words in
    the node's reason. `figure` is measured: `at_least`, `at_most`.
    """

    event: tuple[str, ...] = ()
    fields: dict[str, tuple[str | int, ...]] = {}
    contains: tuple[str, ...] = ()
    count: int = 1
    nodes: int = 1
    jobs: int = 0
    users: int = 0
    finding: tuple[FindingKind, ...] = ()
    reason: tuple[str, ...] = ()
    job_state: tuple[str, ...] = ()
    exit_code: tuple[int, ...] = ()
    exit_signal: tuple[int, ...] = ()
    figure: str | None = None
    at_least: float | None = None
    at_most: float | None = None

    @property
    def looks_at(self) -> tuple[str, ...]:
        """Which of the subjects are set."""
        names = ("event", "finding", "reason", "job_state", "exit_code", "exit_signal", "figure")
        return tuple(name for name in names if getattr(self, name))


class Check(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Something that a person looks at to be sure: a command to copy, and what it says where this problem is there."""

    command: str | None = None
    text: str | None = None
    expect: str | None = None


class Remedy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What helps, in words, and commands to copy; nothing here is ever run by the hub."""

    text: str
    commands: tuple[str, ...] = ()


class Verify(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """When it is over; all that is set must hold. `contained` alone ends it as well: the node is out of service, so
    that nobody is hurt any more.

    `quiet_s`: no new sign for so long. `completed_runs`: so many runs in a row went well there since. `reason_gone`:
    the node is in service again. `back`: an event of these kinds came after the last sign. `same_job_completed`: a
    later run of the same user and name went well. `job_over`: the job has ended.
    """

    text: str
    quiet_s: float | None = None
    completed_runs: int | None = None
    contained: bool = False
    reason_gone: bool = False
    back: tuple[str, ...] = ()
    same_job_completed: bool = False
    job_over: bool = False

    @property
    def asks_nothing(self) -> bool:
        """Whether nothing is set that could ever hold."""
        return not (
            self.quiet_s is not None
            or self.completed_runs is not None
            or self.contained
            or self.reason_gone
            or self.back
            or self.same_job_completed
            or self.job_over
        )


class ProblemDefinition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A whole file. All of `all` must hold, one of `any` where there are some, and none of `none`."""

    version: int = 1
    name: str = ""
    title: str
    about: str = "node"
    within_s: float = 3600.0
    score: float = 4.0
    all: tuple[Sign, ...] = ()
    any: tuple[Sign, ...] = ()
    none: tuple[Sign, ...] = ()
    why: str
    checks: tuple[Check, ...] = ()
    remedy: Remedy
    verify: Verify
    source: str = ""

    @property
    def event_kinds(self) -> frozenset[str]:
        """Kinds of lines that it needs to see."""
        signs = (*self.all, *self.any, *self.none)
        return frozenset(kind for sign in signs for kind in sign.event) | frozenset(self.verify.back)
