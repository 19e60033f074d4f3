"""Counters and gauges of the program itself, with a bounded number of label sets each.

Owns their values. Invariants: a counter never goes down; a label set beyond the bound is counted under `other`, so that
no stranger's input can make the table grow. Every stage adds; `slurmlens status` and `/status.json` read `snapshot()`.
Adding is safe from any thread (the sampler has one of its own).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from slurmlens.wire.prometheus import label_text

OTHER = "other"


class Counter:
    """One named figure with values by label set; made by `Counters.counter` or `.gauge`."""

    __slots__ = ("_labels", "_limit", "_lock", "_values", "name", "text")

    def __init__(self, name: str, text: str, labels: tuple[str, ...], limit: int, lock: threading.Lock) -> None:
        self.name = name
        self.text = text
        self._labels = labels
        self._limit = limit
        self._lock = lock
        self._values: dict[tuple[str, ...], float] = {} if labels else {(): 0}

    def add(self, amount: float = 1, *values: str) -> None:
        """Count `amount` more under the label `values`, which stand in the order of the declaration."""
        with self._lock:
            key = self._key(values)
            self._values[key] = self._values.get(key, 0) + amount

    def set(self, value: float, *values: str) -> None:
        """Set a gauge; a counter is only ever added to."""
        with self._lock:
            self._values[self._key(values)] = value

    def value(self, *values: str) -> float:
        """What was counted under the label `values` so far."""
        return self._values.get(values, 0)

    def items(self) -> Mapping[str, float]:
        """All values by `name` or `name{label="value"}`, the spelling Prometheus reads."""
        return {self._spelled(key): value for key, value in self.by_labels().items()}

    def by_labels(self) -> Mapping[tuple[str, ...], float]:
        """All values by the values of their labels."""
        with self._lock:
            return dict(self._values)

    def _key(self, values: tuple[str, ...]) -> tuple[str, ...]:
        if len(values) != len(self._labels):
            raise ValueError(f"{self.name} has the labels {self._labels}, not {values}")
        if values in self._values or len(self._values) < self._limit:
            return values
        return tuple(OTHER for _ in values)

    def _spelled(self, key: tuple[str, ...]) -> str:
        if not key:
            return self.name
        pairs = (f'{label}="{label_text(value)}"' for label, value in zip(self._labels, key, strict=True))
        return f"{self.name}{{{','.join(pairs)}}}"


class Counters:
    """All counters of one program."""

    def __init__(self, *, label_sets_limit: int = 64) -> None:
        self._limit = label_sets_limit
        self._lock = threading.Lock()
        self._counters: dict[str, Counter] = {}

    def counter(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
        """The counter of that name, made on first asking; `name` ends in its unit and `_total`, or in `_total`."""
        known = self._counters.get(name)
        if known is None:
            known = self._counters[name] = Counter(name, text, labels, self._limit, self._lock)
        return known

    def gauge(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
        """The gauge of that name, made on first asking; `name` ends in its unit."""
        return self.counter(name, text, labels)

    def all(self) -> tuple[Counter, ...]:
        """Every counter and gauge there is now, in the order of their names."""
        return tuple(self._counters[name] for name in sorted(self._counters))

    def snapshot(self) -> dict[str, float]:
        """Every value now, by its spelled-out name, sorted."""
        found: dict[str, float] = {}
        for name in sorted(self._counters):
            found.update(sorted(self._counters[name].items().items()))
        return found
