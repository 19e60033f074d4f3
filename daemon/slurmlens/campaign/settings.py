"""What a campaign's file may say, table by table, with defaults and bounds; and `Campaign`, the whole of it checked.

Owns the words of the file. Fixed tables are `Settings` (checked by `config.convert`); parameters, objectives,
constraints and results have names of the user's own and are read by `file`. Pure.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slurmlens.campaign.space import Space
from slurmlens.config.setting import Settings, setting

NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9-]{0,30}"
OPTIMISERS = (
    "latin-hypercube",
    "compass",
    "scipy:cobyqa",
    "scipy:direct",
    "scipy:differential-evolution",
    "optuna:tpe",
    "optuna:cma-es",
    "optuna:nsga2",
    "openmdao:slsqp",
    "openmdao:cobyla",
)
LAST_WORD = r"(\S+)\s*$"
EARLY_STOPS = ("bound", "median", "asha", "none")


class JobSettings(Settings):
    """The job that one point becomes."""

    script: str = setting("", "the script, beside this file; it sees each parameter as $P_<name>")
    inputs: tuple[str, ...] = setting((), "input files copied for each run, {{name}} replaced by the value")
    nodes: int = setting(1, "nodes of a run", minimum=1, maximum=100_000)
    time_s: float = setting(3600.0, "time limit of a run, in seconds", minimum=60, maximum=31_536_000)
    partition: str | None = setting(None, "partition; None takes the cluster's default", example='partition = "cpu"')
    account: str | None = setting(None, "account to charge", example='account = "a1"')
    options: tuple[str, ...] = setting((), "further options for sbatch, one an item")
    environment: tuple[str, ...] = setting((), "names of environment variables that the job inherits")
    folder: str | None = setting(None, "where runs live, on storage that nodes see", example='folder = "/scratch/me"')
    nice: int = setting(0, "added to the jobs' nice value: others go first", minimum=0, maximum=2_147_483_645)

    def problems(self) -> Iterator[tuple[str, str]]:
        """A job needs a script; what we set ourselves cannot be set twice."""
        if not self.script:
            yield "script", 'which script runs? Name it: script = "run.sh"'
        for option in self.options:
            if re.match(
                r"--(job-name|hold|requeue|no-requeue|array|parsable|wait|test-only|deadline)\b|-[JHaW]", option
            ):
                yield "options", f"{option.split('=')[0]} is set by the campaign itself: leave it out"


class OptimiserSettings(Settings):
    """What says which point comes next."""

    use: str = setting("compass", "which optimiser", choices=OPTIMISERS)
    seed: int = setting(1, "the same seed gives the same points", minimum=0, maximum=2**31 - 1)
    start_points: int = setting(8, "points spread over the space before the search begins", minimum=1, maximum=100_000)
    smallest_step: float = setting(0.01, "compass: ends at this share of a range", minimum=1e-9, maximum=0.5)
    population: int = setting(20, "NSGA-II, CMA-ES, differential evolution: points a generation", minimum=4)


class LimitSettings(Settings):
    """What is never exceeded."""

    at_once: int = setting(4, "jobs waiting or running at any moment", minimum=1, maximum=100_000)
    node_hours: float | None = setting(None, "node hours in all", minimum=0.0, example="node_hours = 20")
    deadline: str | None = setting(
        None,
        "no job may run beyond this moment (UTC)",
        example='deadline = "2027-01-15T06:00:00Z"',
        pattern=r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
        pattern_text="a moment in UTC such as 2027-01-15T06:00:00Z",
    )
    points: int = setting(1000, "points in all", minimum=1, maximum=1_000_000)

    def problems(self) -> Iterator[tuple[str, str]]:
        """A moment must exist in the calendar."""
        try:
            self.deadline_s  # noqa: B018
        except ValueError:
            yield "deadline", f"{self.deadline} is no moment of the calendar"

    @property
    def deadline_s(self) -> float | None:
        """The deadline in seconds since the epoch."""
        return None if self.deadline is None else datetime.datetime.fromisoformat(self.deadline).timestamp()


class StopSettings(Settings):
    """When it is enough."""

    points_without_gain: int | None = setting(
        None, "end after so many results in a row without gain", minimum=1, example="points_without_gain = 20"
    )
    gain: float = setting(1e-3, "what counts as gain, as a share of the best", minimum=0.0)
    target: float | None = setting(None, "end when the objective is as good as this", example="target = 0.0102")


MODELLING = frozenset({"scipy:cobyqa", "openmdao:slsqp", "openmdao:cobyla"})
"""Optimisers that fit a model, or slopes, to every value: of Sellar with `bound` COBYQA found the optimum from 1 of 4
starts, without from 3 (`bench.p34_early_stop`'s simulated runs)."""


class EarlyStopSettings(Settings):
    """Ending runs that cannot win; needs a [running] table."""

    rule: str = setting("bound", "bound: cannot win by extrapolation; median; asha; none", choices=EARLY_STOPS)
    after: float = setting(0.2, "never before this share of a run's expected length", minimum=0.0, maximum=1.0)
    looks: int = setting(2, "looks in a row that must agree", minimum=1, maximum=100)


class FailureSettings(Settings):
    """What happens to a point whose job ended badly."""

    node_attempts: int = setting(3, "attempts in all when nodes fail or give way", minimum=1, maximum=100)
    exclude_s: float = setting(21_600.0, "how long a failed node is avoided", minimum=0)
    time_factor: float = setting(2.0, "after a timeout once more with so much more time", minimum=1.0, maximum=100.0)
    time_attempts: int = setting(2, "attempts in all when the time limit strikes", minimum=1, maximum=100)
    time_max_s: float = setting(86_400.0, "never ask for more time than this", minimum=60)
    retry_exit_codes: tuple[str, ...] = setting((), 'exit codes that are worth another attempt, as texts: ["75"]')
    lost_after_s: float = setting(600.0, "a job that nobody knows of counts as lost after this", minimum=1)
    file_wait_s: float = setting(60.0, "how long a result file may come later than its job's end", minimum=0)
    grace_signal: str | None = setting(
        None,
        "signal sent before a run is ended early",
        pattern=r"[A-Z][A-Z0-9]{1,9}",
        pattern_text="a signal's name such as USR1",
        example='grace_signal = "USR1"',
    )
    grace_s: float = setting(30.0, "time between that signal and the end", minimum=1, maximum=3600)


class PollSettings(Settings):
    """How often slurmctld is asked: one squeue a poll whatever the number of points."""

    interval_s: float = setting(10.0, "after something changed", minimum=0.2, maximum=3600)
    interval_max_s: float = setting(60.0, "grows to this while nothing changes", minimum=0.2, maximum=3600)
    timeout_s: float = setting(30.0, "a Slurm command that takes longer counts as unanswered", minimum=1, maximum=600)
    stray_after_s: float = setting(310.0, "looks this long for submissions that arrive late", minimum=0)


@dataclass(frozen=True, slots=True)
class Objective:
    """A figure to make small, or large where `maximise`."""

    name: str
    maximise: bool = False

    def minimised(self, value: float) -> float:
        """The figure as optimisers see it: smaller is better."""
        return -value if self.maximise else value


@dataclass(frozen=True, slots=True)
class FigureConstraint:
    """A figure that must lie within bounds; None is no bound."""

    name: str
    least: float | None = None
    most: float | None = None

    def violation(self, value: float) -> float:
        """By how much it is broken; negative is slack."""
        below = self.least - value if self.least is not None else -float("inf")
        above = value - self.most if self.most is not None else -float("inf")
        return max(below, above)


@dataclass(frozen=True, slots=True)
class Extractor:
    """Where a figure comes from: exactly one of `match` (a pattern in a file), `pointer` (JSON) and `figure` (the
    hub).
    """

    name: str
    file: str | None = None
    match: str | None = None
    pointer: str | None = None
    figure: str | None = None
    take_last: bool = False


@dataclass(frozen=True, slots=True)
class RunningFigure:
    """The objective while a run runs: a file that grows, a pattern for its figure, the steps of a whole run."""

    file: str
    match: str = LAST_WORD
    steps: int | None = None


@dataclass(frozen=True, slots=True)
class Campaign:
    """A whole campaign, checked. `text` is the file as it was read; `folder` is where it lies."""

    name: str
    folder: Path
    text: str
    space: Space
    objectives: tuple[Objective, ...]
    constraints: tuple[FigureConstraint, ...]
    results: tuple[Extractor, ...]
    running: RunningFigure | None
    job: JobSettings
    optimiser: OptimiserSettings
    limits: LimitSettings
    stop: StopSettings
    early_stop: EarlyStopSettings
    failure: FailureSettings
    poll: PollSettings

    def key(self, point: int, attempt: int) -> str:
        """The job's name, by which it is found again."""
        return f"{self.prefix}{point}.{attempt}"

    @property
    def prefix(self) -> str:
        """What the names of all jobs of the campaign begin with."""
        return f"sl.{self.name}."
