"""Reads problem files: one TOML file each, from a folder, with errors that name file, line, key and remedy.

Owns the checks of a file's words; what they mean is `problem`'s. A file that cannot be used costs itself alone. Called
by the hub at its start, by `slurmlens problems` and `slurmlens validate`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from slurmlens.config.load import read_table
from slurmlens.errors import ConfigError
from slurmlens.hub.findings.problems.figures import FIGURES, OF_JOB, OF_RUNS
from slurmlens.hub.findings.problems.problem import ProblemDefinition, Sign
from slurmlens.slurm import kernel_lines, log_kinds
from slurmlens.slurm.records import JobState

VERSION = 1
KINDS = frozenset(kind.name for kind in (*log_kinds.KINDS, *kernel_lines.KINDS))
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_WHERE = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_PLACE = re.compile(r"(\w+)(?:\[(\d+)\])?")
_PLACEHOLDER = re.compile(r"{(\w*)}")


class Read(NamedTuple):
    """What a folder held."""

    problems: tuple[ProblemDefinition, ...]
    errors: tuple[ConfigError, ...]


def read_problems(folder: Path) -> Read:
    """All problems of a folder, and what is wrong with its files; a folder that is not there holds none."""
    found, errors = [], []
    for path in sorted(folder.glob("*.toml")) if folder.is_dir() else ():
        try:
            found.append(read_problem(path))
        except ConfigError as error:
            errors.append(error)
    return Read(tuple(found), tuple(errors))


def read_problem(path: Path) -> ProblemDefinition:
    """One problem; ConfigError names file, line and key, and says what to do."""
    values, text = read_table(path)
    if not _NAME.fullmatch(path.stem):
        raise ConfigError(f"name the file in small letters, digits and hyphens, not {path.stem!r}", path=path)
    try:
        problem = msgspec.convert(values | {"name": path.stem}, ProblemDefinition)
    except msgspec.ValidationError as error:
        raise _located(str(error), path, text) from error
    for key, message in _mistakes(problem):
        raise ConfigError(message, path=path, line=line_of(text, key), key=key)
    return problem


def _mistakes(problem: ProblemDefinition) -> Iterator[tuple[str, str]]:
    if problem.version != VERSION:
        yield "version", f"this release reads version {VERSION}, not {problem.version}"
    if not problem.all and not problem.any:
        yield "all", "without a sign nothing can match: add [[all]] or [[any]] with event, finding, reason or figure"
    for name in ("all", "any", "none"):
        signs: Sequence[Sign] = getattr(problem, name)
        for number, sign in enumerate(signs):
            for key, message in _mistakes_of(sign, problem.about):
                yield f"{name}[{number}].{key}" if key else f"{name}[{number}]", message
    if problem.verify.asks_nothing:
        yield "verify", "says nothing by which it could ever be over: set quiet_s, contained, completed_runs or another"
    if problem.verify.contained and problem.about != "node":
        yield "verify.contained", f'a node can be taken out of service, a {problem.about} cannot: set about = "node"'
    unknown = sorted(set(problem.verify.back) - KINDS)
    if unknown:
        yield "verify.back", _unknown_kind(unknown[0])


def _mistakes_of(sign: Sign, about: str) -> Iterator[tuple[str, str]]:
    if len(sign.looks_at) != 1:
        said = f"it has {' and '.join(sign.looks_at)}" if sign.looks_at else "it has none"
        yield (
            "",
            f"a sign looks at one thing: event, finding, reason, job_state, exit_code, exit_signal or figure; {said}",
        )
        return
    unknown = sorted(set(sign.event) - KINDS)
    if unknown:
        yield "event", _unknown_kind(unknown[0])
    if sign.figure is not None:
        known = OF_JOB if about == "job" else OF_RUNS
        if sign.figure not in known:
            where = "is of no use here" if sign.figure in FIGURES else "is no figure"
            yield "figure", f"{sign.figure!r} {where}: of a {about} there are {', '.join(sorted(known))}"
        if sign.at_least is None and sign.at_most is None:
            yield "figure", "a figure needs at_least or at_most"
    states = {state.value for state in JobState}
    wrong = [state for state in sign.job_state if state not in states]
    if wrong:
        yield "job_state", f"{wrong[0]!r} is no state: {', '.join(sorted(states))}"
    if (sign.job_state or sign.exit_code or sign.exit_signal) and about != "job":
        yield sign.looks_at[0], f'a {about} has no state or exit code of a job: set about = "job"'
    if sign.reason and about != "node":
        yield "reason", f'only nodes have a reason, not a {about}: set about = "node"'


def _unknown_kind(kind: str) -> str:
    alike = difflib.get_close_matches(kind, KINDS, n=1)
    meant = f"; did you mean {alike[0]!r}?" if alike else ""
    return f"no line is of kind {kind!r}{meant}: `slurmlens problems kinds` names all"


def _located(message: str, path: Path, text: str) -> ConfigError:
    """msgspec tells the place as `$.all[0].event`, and an unknown field in its words."""
    match = _WHERE.search(message)
    key = match["path"] if match else ""
    words = _WHERE.sub("", message)
    if unknown := re.fullmatch(r"Object contains unknown field `(.+)`", words):
        key = f"{key}.{unknown[1]}".lstrip(".")
        words = "no such key: compare with a problem that is shipped"
    elif missing := re.fullmatch(r"Object missing required field `(.+)`", words):
        words = f"{missing[1]} is missing: add it"
    return ConfigError(words, path=path, line=line_of(text, key), key=key or None)


def line_of(text: str, key: str) -> int | None:
    """The line on which `all[1].event` stands: the second [[all]], then the first `event` after it."""
    lines, at = text.split("\n"), 0
    for name, number in _PLACE.findall(key):
        nth = int(number or 0)
        pattern = re.compile(rf"\s*(\[\[?\s*{name}\s*\]\]?|{name}\s*=)")
        places = [place for place in range(at, len(lines)) if pattern.match(lines[place])]
        if not places:
            break
        at = places[min(nth, len(places) - 1)]
    return at + 1 if key else None


def placeholders(problem: ProblemDefinition) -> set[str]:
    """Names of values that its texts want filled in."""
    texts: list[Any] = [problem.why, problem.remedy.text, *problem.remedy.commands, problem.verify.text]
    texts += [text for check in problem.checks for text in (check.command, check.text, check.expect) if text]
    return {name for text in texts for name in _PLACEHOLDER.findall(text) if name}
