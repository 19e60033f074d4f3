"""A problem's texts with one incident's values filled in. Pure.

Owns the filling: in commands every value is one word of a POSIX shell, or a harmless part of one, for log lines hold
what users wrote; a value that is not known, or reads as an option, stays a placeholder that no shell runs by mistake.
Feeds the page, the terminal and the JSON.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

import msgspec

from slurmlens.hub.findings.claims import Value
from slurmlens.hub.findings.problems.problem import ProblemDefinition

_PLACEHOLDER = re.compile(r"{(\w+)}")
_PLAIN = re.compile(r"[\w .,:@%+/=\[\]#-]{1,300}")
"""What no shell reads as anything else, not even when it looks a second time."""


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
    """A command with each value as a part of one word of a shell, wherever it stands in the template.

    Within quotes (of a reason, or of a command for a remote shell, which looks at it again) a value that holds anything
    but plain characters stays a placeholder.
    """
    made, quote, end = [], "", 0
    for match in _PLACEHOLDER.finditer(template):
        between = template[end : match.start()]
        quote = _open_quote(between, quote)
        made += [between, _word(match[1], values.get(match[1]), is_quoted=bool(quote))]
        end = match.end()
    return "".join([*made, template[end:]])


def _open_quote(text: str, quote: str) -> str:
    """Which quote is open behind a piece of a command; "" for none."""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
    return quote


def _word(name: str, value: Value | None, *, is_quoted: bool) -> str:
    text = None if value is None else " ".join(str(value).split())
    if is_quoted:
        return text if text and _PLAIN.fullmatch(text) else f"<{name}>"
    return f"'<{name}>'" if text is None or text.startswith("-") else shlex.quote(text)
