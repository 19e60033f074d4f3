"""A problem's texts with one incident's values filled in. Pure.

Owns the filling: in commands every value is quoted for a POSIX shell, for log lines hold what users wrote; a value that
is not known stays a placeholder that no shell runs by mistake. Feeds the page, the terminal and the JSON.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

import msgspec

from slurmlens.hub.findings.claims import Value
from slurmlens.hub.findings.problems.problem import ProblemDefinition

_PLACEHOLDER = re.compile(r"{(\w+)}")


class GuideCheck(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A check with values."""

    command: str | None = None
    text: str | None = None
    expect: str | None = None


class Guide(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What to know and to do in this incident."""

    name: str
    title: str
    why: str
    checks: tuple[GuideCheck, ...]
    remedy: str
    commands: tuple[str, ...]
    verify: str
    source: str = ""


def guide_of(problem: ProblemDefinition, values: Mapping[str, Value]) -> Guide:
    """The guide of one incident."""
    return Guide(
        name=problem.name,
        title=problem.title,
        why=_text(problem.why, values).strip(),
        checks=tuple(
            GuideCheck(
                command=None if check.command is None else command_of(check.command, values),
                text=None if check.text is None else _text(check.text, values),
                expect=None if check.expect is None else _text(check.expect, values),
            )
            for check in problem.checks
        ),
        remedy=_text(problem.remedy.text, values).strip(),
        commands=tuple(command_of(command, values) for command in problem.remedy.commands),
        verify=_text(problem.verify.text, values).strip(),
        source=problem.source,
    )


def _text(template: str, values: Mapping[str, Value]) -> str:
    return _PLACEHOLDER.sub(lambda match: str(values.get(match[1], f"({match[1]} is not known)")), template)


def command_of(template: str, values: Mapping[str, Value]) -> str:
    """A command with each value as one word of a shell."""

    def filled(match: re.Match[str]) -> str:
        value = values.get(match[1])
        return f"'<{match[1]}>'" if value is None else shlex.quote(" ".join(str(value).split()))

    return _PLACEHOLDER.sub(filled, template)
