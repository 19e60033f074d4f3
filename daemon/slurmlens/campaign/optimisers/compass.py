"""Compass search: from the best of a Latin hypercube, try a step to each side of every parameter, at once; move or
halve.

Owns the pattern (Kolda, Lewis, Torczon 2003) with two additions: choices are tried all, and where results are
constrained every poll looks along turned directions as well, for along the axes alone a search gets stuck on a slanted
constraint (the idea of mesh adaptive direct search, Audet and Dennis 2006). Standard library only.

Invariants: a poll waits for all its answers, so the points do not depend on which job ended first; no point twice.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from slurmlens.campaign.optimisers import Evaluation
from slurmlens.campaign.optimisers.latin_hypercube import design
from slurmlens.campaign.record import PointVerdict
from slurmlens.campaign.settings import Campaign
from slurmlens.campaign.space import Choice, Integer, Parameters, Real, canonical

PACKAGES: tuple[str, ...] = ()

Merit = tuple[float, float]
"""Excess first, then objective: what breaks less is better, and among those that break nothing the objective decides.
"""

_WORST: Merit = (math.inf, math.inf)
FIRST_STEP = 0.25


class Compass:
    """The search; a poll's points are asked in their order and all awaited."""

    def __init__(self, campaign: Campaign) -> None:
        self._space = campaign.space
        self._options = campaign.optimiser
        self._turned_too = bool(campaign.constraints or campaign.space.allowed)
        self._step = FIRST_STEP
        self._polls = 0
        self._centre: list[float] | None = None
        self._centre_merit = _WORST
        self._seen: set[str] = set()
        self._asked: dict[int, list[float]] = {}
        self._merits: dict[int, Merit] = {}
        self._numbers = 0
        self._done = False
        self._queue: list[list[float]] = []
        self._fill(design(campaign.space, campaign.optimiser.start_points, campaign.optimiser.seed))

    def ask(self) -> Parameters | None:
        """The next point of the poll."""
        if not self._queue or self._done:
            return None
        units = self._queue.pop(0)
        self._asked[self._numbers] = units
        self._numbers += 1
        return self._space.decode(units)

    def tell(self, number: int, answer: Evaluation) -> None:
        """Take an answer; the last one of a poll decides where the next goes."""
        wins = answer.verdict is PointVerdict.FINE and bool(answer.values)
        excess = max(0.0, answer.excess)
        self._merits[number] = (excess, answer.values[0]) if wins else _WORST
        if not self._queue and self._merits.keys() == self._asked.keys():
            self._conclude()

    @property
    def finished(self) -> bool:
        """Whether the step fell below the smallest that was asked for."""
        return self._done

    def close(self) -> None:
        """Nothing is held."""

    def _conclude(self) -> None:
        """Move to the best of the poll, or take a smaller step; polls whose points are all known are skipped."""
        best = min(self._merits, key=lambda number: (self._merits[number], number), default=None)
        if best is not None and self._merits[best] < self._centre_merit:
            self._centre, self._centre_merit = self._asked[best], self._merits[best]
        else:
            self._fail()
        self._asked, self._merits = {}, {}
        while not self._done:
            if self._centre is not None:
                self._fill(list(self._poll(self._centre)))
            if self._queue:
                return
            self._fail()

    def _fail(self) -> None:
        self._step /= 2
        if self._centre is None or self._step < self._options.smallest_step:
            self._done = True

    def _poll(self, centre: list[float]) -> Iterator[list[float]]:
        self._polls += 1
        for place in range(len(centre)):
            for unit in self._beside(place, centre[place]):
                yield [*centre[:place], unit, *centre[place + 1 :]]
        smooth = [place for place, one in enumerate(self._space.parameters) if isinstance(one, Real) and not one.step]
        if self._turned_too and len(smooth) > 1:
            yield from self._turned(centre, smooth)

    def _beside(self, place: int, unit: float) -> Iterator[float]:
        """Coordinates to try for one parameter."""
        parameter = self._space.parameters[place]
        if isinstance(parameter, Choice):
            yield from ((level + 0.5) / parameter.levels for level in range(parameter.levels))
            return
        step = self._step
        if isinstance(parameter, Integer) and parameter.log:
            value = parameter.from_unit(unit)
            factor = (parameter.high / parameter.low) ** step
            moves = (max(value + 1, round(value * factor)), min(value - 1, round(value / factor)))
            yield from (parameter.to_unit(move) for move in moves if parameter.low <= move <= parameter.high)
            return
        if parameter.levels is not None:
            step = max(1, round(step * parameter.levels)) / parameter.levels
            # A step beyond the end is shortened to the end, where the last value stands.
            ends = (0.5 / parameter.levels, 1 - 0.5 / parameter.levels)
            yield from (min(ends[1], max(ends[0], unit + sign * step)) for sign in (1, -1))
            return
        yield from (min(1.0, max(0.0, unit + sign * step)) for sign in (1, -1))

    def _turned(self, centre: list[float], smooth: list[int]) -> Iterator[list[float]]:
        """Steps along an orthonormal basis turned at random: I - 2 v v^T for a random unit vector v (Householder)."""
        source = random.Random(self._options.seed * 1_000_003 + self._polls)  # noqa: S311  # directions, no secret
        vector = [source.gauss(0, 1) for _ in smooth]
        length = math.sqrt(sum(part * part for part in vector))
        vector = [part / length for part in vector]
        for column in range(len(smooth)):
            direction = [(row == column) - 2 * vector[row] * vector[column] for row in range(len(smooth))]
            for sign in (1, -1):
                units = list(centre)
                for row, place in enumerate(smooth):
                    units[place] = min(1.0, max(0.0, centre[place] + sign * self._step * direction[row]))
                yield units

    def _fill(self, candidates: list[list[float]]) -> None:
        """Queue what was not tried yet and breaks no rule."""
        for units in candidates:
            point = self._space.decode(units)
            if (text := canonical(point)) in self._seen or self._space.refusal(point):
                continue
            self._seen.add(text)
            self._queue.append(units)


def make(campaign: Campaign, method: str) -> Compass:
    """The search that the campaign asks for."""
    return Compass(campaign)
