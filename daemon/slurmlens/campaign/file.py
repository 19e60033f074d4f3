"""Reads a campaign's file: TOML in, a checked `Campaign` out, or every mistake with file, line and key.

Owns the reading of tables whose keys are the user's own names (space, objective, constraint, result, running); the
fixed tables go through `config.convert`. Called by the commands of `slurmlens campaign`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from slurmlens.campaign.rule import Rule, RuleWrong, read_rule
from slurmlens.campaign.settings import (
    LAST_WORD,
    MODELLING,
    NAME_PATTERN,
    Campaign,
    EarlyStopSettings,
    Extractor,
    FailureSettings,
    FigureConstraint,
    JobSettings,
    LimitSettings,
    Objective,
    OptimiserSettings,
    PollSettings,
    RunningFigure,
    StopSettings,
)
from slurmlens.campaign.space import Choice, Integer, Parameter, Real, Space, Value
from slurmlens.config.convert import Problem, convert
from slurmlens.config.lines import index_lines
from slurmlens.config.load import read_table
from slurmlens.config.setting import KeyPath
from slurmlens.errors import ConfigError

T = TypeVar("T")

FIGURES = ("core_seconds", "memory_peak_bytes", "run_seconds")
PARAMETER_PATTERN = r"[A-Za-z_][A-Za-z0-9_]{0,40}"
MULTI_OBJECTIVE = ("latin-hypercube", "optuna:tpe", "optuna:nsga2")
GRADIENT = ("openmdao:slsqp",)
_TABLES: dict[str, type] = {
    "job": JobSettings,
    "optimiser": OptimiserSettings,
    "limits": LimitSettings,
    "stop": StopSettings,
    "early_stop": EarlyStopSettings,
    "failure": FailureSettings,
    "poll": PollSettings,
}
_KNOWN = ("name", "allowed", "objective", "constraint", "space", "result", "running", *_TABLES)
_NUMBERS = {"low", "high", "step"}


def read_campaign(path: Path, *, folder: Path | None = None) -> Campaign:
    """The campaign that a file describes; ConfigError with all mistakes, one a line, where it cannot run.

    `folder` is where its script and inputs lie, if not beside the file.
    """
    made, errors = examine_campaign(path, folder=folder)
    if made is None:
        raise ConfigError("\n".join(str(error) for error in errors))
    return made


def examine_campaign(path: Path, *, folder: Path | None = None) -> tuple[Campaign | None, list[ConfigError]]:
    """The campaign, or None and all that is wrong with its file, in the order of its lines."""
    values, text = read_table(path)
    reader = _Reader(folder or path.absolute().parent, values)
    made = reader.campaign(text)
    if not reader.problems:
        return made, []
    lines = index_lines(text)
    errors = [_located(problem, lines, path) for problem in reader.problems]
    return None, sorted(errors, key=lambda error: error.line or 0)


def _located(problem: Problem, lines: Mapping[KeyPath, int], path: Path) -> ConfigError:
    for length in range(len(problem.path), 0, -1):
        if problem.path[:length] in lines:
            return ConfigError(problem.message, path=path, line=lines[problem.path[:length]], key=problem.key)
    return ConfigError(problem.message, path=path, key=problem.key)


class _Reader:
    """One reading: the values of the file and the problems found so far."""

    def __init__(self, folder: Path, values: Mapping[str, Any]) -> None:
        self.folder = folder
        self.values = values
        self.problems: list[Problem] = []

    def wrong(self, path: KeyPath, message: str) -> None:
        self.problems.append(Problem(path, message))

    def campaign(self, text: str) -> Campaign:
        for key in self.values:
            if key not in _KNOWN:
                self.wrong((key,), f"unknown; known at the top of the file: {', '.join(_KNOWN)}")
        made = Campaign(
            name=self._name(),
            folder=self.folder,
            text=text,
            space=self._space(),
            objectives=tuple(self._named("objective", self._objective)),
            constraints=tuple(self._named("constraint", self._constraint)),
            results=tuple(self._results()),
            running=self._running(),
            **{name: self._fixed(name, kind) for name, kind in _TABLES.items()},
        )
        self._together(made)
        return made

    def _name(self) -> str:
        name = self.values.get("name", "")
        if not isinstance(name, str) or not re.fullmatch(NAME_PATTERN, name):
            self.wrong(("name",), "give the campaign a name of letters, digits and dashes, at most 31")
            return "campaign"
        return name

    def _fixed(self, name: str, kind: type[T]) -> Any:
        table = self.values.get(name, {})
        if not isinstance(table, dict):
            self.wrong((name,), f"this is a table: write [{name}] and its keys below")
            return kind()
        made, problems = convert(kind, table)
        self.problems += [Problem((name, *problem.path), problem.message) for problem in problems]
        return made

    def _space(self) -> Space:
        table = self.values.get("space")
        if not isinstance(table, dict) or not table:
            self.wrong(("space",), "which parameters? Write [space] and below it: alpha = { low = 0.0, high = 1.0 }")
            return Space(())
        parameters = [
            parameter for name, spec in table.items() if (parameter := self._parameter(name, spec)) is not None
        ]
        return Space(self._ordered(parameters), tuple(self._rules({p.name for p in parameters})))

    def _parameter(self, name: str, spec: Any) -> Parameter | None:
        here = ("space", name)
        if not re.fullmatch(PARAMETER_PATTERN, name):
            self.wrong(here, "a parameter's name is letters, digits and _, not beginning with a digit")
            return None
        if not isinstance(spec, dict):
            self.wrong(here, "write { low = …, high = … } or { choice = […] }")
            return None
        when = self._when(here, spec.get("when", {}))
        if "choice" in spec:
            return self._choice(here, spec, when)
        return self._numeric(here, spec, when)

    def _choice(self, here: KeyPath, spec: Mapping[str, Any], when: tuple[Any, ...]) -> Parameter | None:
        choices = spec["choice"]
        if extra := sorted(set(spec) - {"choice", "when"}):
            self.wrong((*here, extra[0]), "a choice has no such key")
        if not isinstance(choices, list) or not choices or not all(_is_value(one) for one in choices):
            self.wrong(here, 'choice is a list of texts or numbers, such as ["a", "b"]; no control characters')
            return None
        if len({repr(one) for one in choices}) < len(choices):
            self.wrong(here, "the same choice stands twice")
            return None
        return Choice(here[-1], tuple(choices), when)

    def _numeric(self, here: KeyPath, spec: Mapping[str, Any], when: tuple[Any, ...]) -> Parameter | None:
        known = {"low", "high", "log", "integer", "step", "when"}
        if extra := sorted(set(spec) - known):
            self.wrong((*here, extra[0]), f"unknown; known: {', '.join(sorted(known | {'choice'}))}")
            return None
        whole = spec.get("integer") is True
        for key in ("low", "high", "step"):
            value = spec.get(key)
            if key == "step" and value is None:
                continue
            if not _is_number(value) or (whole and not isinstance(value, int)):
                self.wrong((*here, key), f"expected a {'whole ' if whole else ''}number")
                return None
        low, high, step, log = spec["low"], spec["high"], spec.get("step"), spec.get("log") is True
        if not low < high:
            self.wrong(here, f"low ({low}) must be below high ({high})")
        elif log and low <= 0:
            self.wrong(here, "log needs low above 0")
        elif step is not None and (step <= 0 or log):
            self.wrong(here, "step must be above 0, and goes without log")
        elif whole:
            return Integer(here[-1], low, high, log, step or 1, when)
        else:
            return Real(here[-1], float(low), float(high), log, None if step is None else float(step), when)
        return None

    def _when(self, here: KeyPath, table: Any) -> tuple[tuple[str, tuple[Value, ...]], ...]:
        if not isinstance(table, dict):
            self.wrong(here, 'when is a table: { solver = "cg" } or { solver = ["cg", "gmres"] }')
            return ()
        return tuple((name, tuple(v if isinstance(v, list) else [v])) for name, v in table.items())

    def _ordered(self, parameters: list[Parameter]) -> tuple[Parameter, ...]:
        """Parents first; a parent that is missing, or a circle, is said."""
        placed: dict[str, Parameter] = {}
        waiting = list(parameters)
        while waiting:
            ready = [one for one in waiting if all(parent in placed for parent, _ in one.when)]
            if not ready:
                self.wrong(("space", waiting[0].name), "its `when` names a parameter that is not there, or itself")
                break
            placed |= {one.name: one for one in ready}
            waiting = [one for one in waiting if one.name not in placed]
        return tuple(placed.values())

    def _rules(self, names: set[str]) -> Iterator[Rule]:
        texts = self.values.get("allowed", [])
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            self.wrong(("allowed",), 'expected a list of rules: ["tile_m * tile_n <= 4096"]')
            return
        for text in texts:
            try:
                rule = read_rule(text)
            except RuleWrong as wrong:
                self.wrong(("allowed",), f"{text[:60]!r} {wrong}")
                continue
            if unknown := sorted(rule.names - names):
                self.wrong(("allowed",), f"{text[:60]!r} names {unknown[0]}, which is no parameter of [space]")
            else:
                yield rule

    def _named(self, key: str, read: Callable[[str, Mapping[str, Any]], T | None]) -> Iterator[T]:
        tables = self.values.get(key, [])
        tables = [tables] if isinstance(tables, dict) else tables
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            self.wrong((key,), f"write [[{key}]] and its keys below")
            return
        for table in tables:
            name = table.get("name")
            if not isinstance(name, str) or not name:
                self.wrong((key, "name"), "which figure of [result]? Name it")
            elif (made := read(name, table)) is not None:
                yield made

    def _objective(self, name: str, table: Mapping[str, Any]) -> Objective | None:
        goal = table.get("goal", "min")
        if goal not in ("min", "max") or set(table) - {"name", "goal"}:
            self.wrong(("objective", name), 'an objective has a name and goal = "min" or "max"')
            return None
        return Objective(name, goal == "max")

    def _constraint(self, name: str, table: Mapping[str, Any]) -> FigureConstraint | None:
        least, most = table.get("min"), table.get("max")
        bounds = [bound for bound in (least, most) if bound is not None]
        if not bounds or not all(_is_number(bound) for bound in bounds) or set(table) - {"name", "min", "max"}:
            self.wrong(("constraint", name), "a constraint has a name and min or max, or both, as numbers")
            return None
        return FigureConstraint(name, least, most)

    def _results(self) -> Iterator[Extractor]:
        tables = self.values.get("result", {})
        if not isinstance(tables, dict):
            self.wrong(("result",), "write [result.<name>] and below it where the figure comes from")
            return
        for name, table in tables.items():
            here = ("result", name)
            if not isinstance(table, dict) or not _texts(table, {"file", "match", "pointer", "figure", "take"}):
                self.wrong(here, "known: file with match or pointer, or figure; each is a text")
                continue
            ways = [way for way in ("match", "pointer", "figure") if way in table]
            if len(ways) != 1 or ("file" in table) == ("figure" in table):
                self.wrong(here, f"say file with match, file with pointer, or figure ({', '.join(FIGURES)})")
            elif table.get("figure", FIGURES[0]) not in FIGURES:
                self.wrong(here, f"known figures: {', '.join(FIGURES)}")
            elif table.get("take", "only") not in ("only", "last"):
                self.wrong(here, 'take is "only" (two values are a mistake) or "last"')
            elif "file" not in table or self._inside(here, table["file"]):
                pattern = self._pattern(here, table["match"]) if "match" in table else None
                yield Extractor(
                    name,
                    table.get("file"),
                    pattern,
                    table.get("pointer"),
                    table.get("figure"),
                    table.get("take") == "last",
                )

    def _running(self) -> RunningFigure | None:
        table = self.values.get("running")
        if table is None:
            return None
        here = ("running",)
        if (
            not isinstance(table, dict)
            or not isinstance(table.get("file"), str)
            or set(table) - {"file", "match", "steps"}
        ):
            self.wrong(here, "known: file, match, steps; file is needed")
            return None
        steps = table.get("steps")
        if steps is not None and (not isinstance(steps, int) or isinstance(steps, bool) or steps < 2):
            self.wrong((*here, "steps"), "expected a whole number of at least 2")
            return None
        if not self._inside(here, table["file"]):
            return None
        return RunningFigure(table["file"], self._pattern(here, table.get("match", LAST_WORD)) or LAST_WORD, steps)

    def _pattern(self, here: KeyPath, text: str) -> str | None:
        try:
            groups = re.compile(text).groups
        except re.error as error:
            self.wrong((*here, "match"), f"no pattern: {error}")
            return None
        if groups != 1:
            self.wrong((*here, "match"), r"put the figure, and nothing else, in parentheses: 'CD = (\S+)'")
        return text

    def _inside(self, here: KeyPath, file: str) -> bool:
        parts = Path(file).parts
        fine = bool(parts) and not Path(file).is_absolute() and ".." not in parts and "\0" not in file
        if not fine:
            self.wrong((*here, "file"), "name a file within the run's own folder")
        return fine

    def _early_stop(self, made: Campaign) -> None:
        """Whether runs may be ended early at all."""
        if made.early_stop.rule == "none" or not made.running:
            return
        if made.optimiser.use in MODELLING:
            message = f'{made.optimiser.use} takes each value for exact, one cut short misleads it: rule = "none"'
            self.wrong(("early_stop", "rule"), message)
        if len(made.objectives) > 1:
            self.wrong(("early_stop", "rule"), 'with several objectives nothing can be ended early: rule = "none"')

    def _together(self, made: Campaign) -> None:
        """What can be wrong only between tables."""
        figures = {one.name for one in made.results}
        if not made.objectives and "objective" not in self.values:
            self.wrong(("objective",), "what is to be optimised? Write [[objective]], name = …, goal = …")
        for kind, named in (("objective", made.objectives), ("constraint", made.constraints)):
            for one in named:
                if one.name not in figures:
                    self.wrong((kind,), f"{one.name} has no [result.{one.name}] that says where it comes from")
        if len(made.objectives) > 1 and made.optimiser.use not in MULTI_OBJECTIVE:
            self.wrong(("optimiser", "use"), f"several objectives need one of {', '.join(MULTI_OBJECTIVE)}")
        smooth = all(isinstance(one, Real) and one.step is None for one in made.space.parameters)
        if made.optimiser.use in GRADIENT and not smooth:
            self.wrong(("optimiser", "use"), f"{made.optimiser.use} follows slopes, and a step or a choice has none")
        self._early_stop(made)
        for key, name in (("script", made.job.script), *(("inputs", name) for name in made.job.inputs)):
            if name and not (self.folder / name).is_file():
                self.wrong(("job", key), f"{name} is not there: paths are relative to {self.folder}")
        if made.failure.time_max_s < made.job.time_s:
            self.wrong(("failure", "time_max_s"), f"is below job.time_s ({made.job.time_s:g})")
        if made.poll.interval_max_s < made.poll.interval_s:
            self.wrong(("poll", "interval_max_s"), f"is below poll.interval_s ({made.poll.interval_s:g})")


def _texts(table: Mapping[str, Any], known: set[str]) -> bool:
    return set(table) <= known and all(isinstance(value, str) and value for value in table.values())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_value(value: Any) -> bool:
    return _is_number(value) or (isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable())
