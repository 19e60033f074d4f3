"""The parameter space: what may be varied, which values are legal, and how a point is written in one way only.

Owns the three kinds of parameter (Real, Integer, Choice), conditions on them, and the two codings of a point: named
values (what a job gets, what the journal keeps) and coordinates in the unit cube (what numeric optimisers move in).
Pure. Made by `file`, used by `search` and every optimiser.

Invariants: `decode` always gives a legal point; an inactive parameter is absent from the point; two points that a job
cannot tell apart have the same `canonical` text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from slurmlens.campaign.rule import Rule

Value = float | int | str
Parameters = dict[str, Value]

Condition = tuple[str, tuple[Value, ...]]
"""Another parameter's name and the values of it under which this one is active."""

_JUST_BELOW_ONE = math.nextafter(1.0, 0.0)


@dataclass(frozen=True, slots=True)
class Real:
    """A number between `low` and `high`; `log` spaces it evenly in its logarithm; `step` leaves a grid of values."""

    name: str
    low: float
    high: float
    log: bool = False
    step: float | None = None
    when: tuple[Condition, ...] = ()

    @property
    def levels(self) -> int | None:
        """How many values there are; None where they are not counted."""
        return None if self.step is None else math.floor((self.high - self.low) / self.step + 1e-9) + 1

    def from_unit(self, unit: float) -> float:
        """The value at a place between 0 and 1."""
        if self.levels is not None and self.step is not None:
            return self.low + _level(unit, self.levels) * self.step
        if self.log:
            low, high = math.log(self.low), math.log(self.high)
            return min(self.high, max(self.low, math.exp(low + unit * (high - low))))
        return min(self.high, max(self.low, self.low + unit * (self.high - self.low)))

    def to_unit(self, value: Value) -> float:
        """The place of a value, the inverse of `from_unit`; for a grid the middle of its cell."""
        number = float(value)
        if self.levels is not None and self.step is not None:
            return (round((number - self.low) / self.step) + 0.5) / self.levels
        if self.log:
            return (math.log(number) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (number - self.low) / (self.high - self.low)


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number from `low` to `high`, both included."""

    name: str
    low: int
    high: int
    log: bool = False
    step: int = 1
    when: tuple[Condition, ...] = ()

    @property
    def levels(self) -> int:
        """How many values there are."""
        return (self.high - self.low) // self.step + 1

    def from_unit(self, unit: float) -> int:
        """The value at a place between 0 and 1."""
        if self.log:
            span = math.log(self.high + 0.5) - math.log(self.low - 0.5)
            number = round(math.exp(math.log(self.low - 0.5) + min(unit, _JUST_BELOW_ONE) * span))
            return min(self.high, max(self.low, number))
        return self.low + _level(unit, self.levels) * self.step

    def to_unit(self, value: Value) -> float:
        """The middle of the value's cell."""
        if self.log:
            span = math.log(self.high + 0.5) - math.log(self.low - 0.5)
            return (math.log(int(value)) - math.log(self.low - 0.5)) / span
        return ((int(value) - self.low) // self.step + 0.5) / self.levels


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a list without an order."""

    name: str
    choices: tuple[Value, ...]
    when: tuple[Condition, ...] = ()

    @property
    def levels(self) -> int:
        """How many values there are."""
        return len(self.choices)

    def from_unit(self, unit: float) -> Value:
        """The value at a place between 0 and 1."""
        return self.choices[_level(unit, self.levels)]

    def to_unit(self, value: Value) -> float:
        """The middle of the value's cell."""
        return (self.choices.index(value) + 0.5) / self.levels


Parameter = Real | Integer | Choice


def _level(unit: float, levels: int) -> int:
    return min(levels - 1, max(0, int(unit * levels)))


@dataclass(frozen=True, slots=True)
class Space:
    """All parameters, parents before those that depend on them, and rules on their values."""

    parameters: tuple[Parameter, ...]
    allowed: tuple[Rule, ...] = field(default=())

    def active(self, parameter: Parameter, chosen: Mapping[str, Value]) -> bool:
        """Whether the parameter means anything, given the values chosen before it."""
        return all(name in chosen and chosen[name] in values for name, values in parameter.when)

    def decode(self, units: Sequence[float]) -> Parameters:
        """The legal point at coordinates in the unit cube, one a parameter in their order."""
        chosen: Parameters = {}
        for parameter, unit in zip(self.parameters, units, strict=True):
            if self.active(parameter, chosen):
                chosen[parameter.name] = parameter.from_unit(unit)
        return chosen

    def encode(self, point: Mapping[str, Value]) -> list[float]:
        """Coordinates of a point; an inactive parameter stands in the middle."""
        return [
            parameter.to_unit(point[parameter.name]) if parameter.name in point else 0.5
            for parameter in self.parameters
        ]

    def refusal(self, point: Mapping[str, Value]) -> tuple[str, float] | None:
        """The first rule that the point breaks and by how much; None where it may run."""
        for rule in self.allowed:
            excess = rule.excess(point)
            if excess > 0:
                return rule.text, excess
        return None


def canonical(point: Mapping[str, Value]) -> str:
    """One text for a point however its keys are ordered; numbers round-trip (RFC 8785 in spirit)."""
    return msgspec.json.encode(dict(sorted(point.items()))).decode()
