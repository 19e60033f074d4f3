"""The same kind of job on several generations of nodes: how long it took on each, and how sure the difference is. Pure.

Owns the method. A generation is what nodes of equal features are, or of those features that the settings name; a run
counts where all its nodes are of one. Of each kind of jobs (name with its numbers taken out, size class) only runs that
completed are compared, newest first up to `MOST_RUNS`; generations with fewer than `LEAST_RUNS` of them are left out.
A ratio is of medians, to the generation with the most runs; its 95 % interval comes from samples of both drawn with
replacement, from a fixed seed, so that equal runs give equal figures. Fed by `read`; feeds the page of capacity.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

import msgspec

LEAST_RUNS = 5
MOST_RUNS = 200
MOST_TYPES = 20
DRAWS = 400
LOW, HIGH = 0.025, 0.975
NO_FEATURES = "without features"


class TypedRun(NamedTuple):
    """A run that completed: of what kind, how long, with how much CPU time (None: not measured), and where."""

    job_type: str
    size_class: int
    elapsed_s: float
    cpu_s: float | None
    nodes: tuple[str, ...]


class Ratio(msgspec.Struct, frozen=True):
    """How many times as long (or as much), and the ends of the 95 % interval."""

    middle: float
    low: float
    high: float

    @property
    def is_sure(self) -> bool:
        """Whether it is not 1, as far as these runs tell."""
        return self.low > 1 or self.high < 1


class GenerationRuns(msgspec.Struct, frozen=True, kw_only=True):
    """Runs of one kind on one generation; `elapsed` and `cpu` compare with the reference, None on that itself and of
    CPU time that was not measured."""

    generation: str
    runs: int
    median_elapsed_s: float
    median_cpu_s: float | None
    elapsed: Ratio | None
    cpu: Ratio | None


class TypeOnGenerations(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of jobs; the reference, with the most runs, comes first."""

    job_type: str
    size_class: int
    generations: tuple[GenerationRuns, ...]


def generations(features: Mapping[str, Collection[str]], naming: Collection[str] = ()) -> dict[str, str]:
    """The generation of each node: its features in their order, or those of them that name one."""
    return {
        node: ", ".join(sorted(set(own) & set(naming) if naming else set(own))) or NO_FEATURES
        for node, own in features.items()
    }


def compared(runs: Iterable[TypedRun], generation_of: Mapping[str, str]) -> list[TypeOnGenerations]:
    """Kinds of jobs that ran on two generations at least, those with the most time first; `runs` newest first."""
    by_type: dict[tuple[str, int], dict[str, list[TypedRun]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        found = {generation_of.get(node) for node in run.nodes}
        generation = found.pop() if len(found) == 1 else None
        if generation is not None and len(own := by_type[run.job_type, run.size_class][generation]) < MOST_RUNS:
            own.append(run)
    told = []
    for key, groups in by_type.items():
        enough = {name: group for name, group in groups.items() if len(group) >= LEAST_RUNS}
        if len(enough) > 1:
            told.append((sum(run.elapsed_s for group in enough.values() for run in group), key, enough))
    told.sort(key=lambda one: (-one[0], one[1]))
    return [_type(key, groups) for _, key, groups in told[:MOST_TYPES]]


def _type(key: tuple[str, int], groups: Mapping[str, Sequence[TypedRun]]) -> TypeOnGenerations:
    names = sorted(groups, key=lambda name: (-len(groups[name]), name))
    reference = groups[names[0]]
    return TypeOnGenerations(
        job_type=key[0],
        size_class=key[1],
        generations=tuple(_generation(name, groups[name], None if name == names[0] else reference) for name in names),
    )


def _generation(name: str, runs: Sequence[TypedRun], reference: Sequence[TypedRun] | None) -> GenerationRuns:
    elapsed, cpu = [run.elapsed_s for run in runs], _measured(runs)
    base = [] if reference is None else [run.elapsed_s for run in reference]
    return GenerationRuns(
        generation=name,
        runs=len(runs),
        median_elapsed_s=median(elapsed),
        median_cpu_s=median(cpu) if cpu else None,
        elapsed=ratio(elapsed, base),
        cpu=ratio(cpu, [] if reference is None else _measured(reference)),
    )


def _measured(runs: Sequence[TypedRun]) -> list[float]:
    return [run.cpu_s for run in runs if run.cpu_s]


def ratio(values: Sequence[float], base: Sequence[float]) -> Ratio | None:
    """Of the medians of both; None of fewer than `LEAST_RUNS` of either, or where the base is 0."""
    if min(len(values), len(base)) < LEAST_RUNS or not min(base) > 0:
        return None
    rng = random.Random(len(values) * 1_000_003 + len(base))  # noqa: S311  # nothing secret: equal runs, equal figures
    some, others = sorted(values), sorted(base)
    drawn = sorted(
        median(rng.choices(some, k=len(some))) / median(rng.choices(others, k=len(others))) for _ in range(DRAWS)
    )
    middle = median(some) / median(others)
    low, high = drawn[int(LOW * DRAWS)], drawn[int(HIGH * DRAWS)]
    return Ratio(middle, min(low, middle), max(high, middle))
