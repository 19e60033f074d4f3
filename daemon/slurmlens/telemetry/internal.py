"""Named internal events: one call makes the log line and the counter, so that neither is forgotten.

Owns the meaning of levels. WARNING: something was not as expected, nothing is lost. ERROR: something is lost, or an
operator is needed. INFO: the course of things. DEBUG: for whoever looks for a fault.

Each component declares its events as constants of type `InternalEvent` beside its code and calls `report`. A flood of
one event is cut to a few lines a minute, told by how many; the counter counts all of them.
"""

from __future__ import annotations

import logging
from typing import TypeVar

import msgspec

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.telemetry.counters import Counter, Counters

T = TypeVar("T")

LOGGER_NAME = "slurmlens"
_WINDOW_NS = 60 * NS_PER_S
_WINDOWS_LIMIT = 1000


class InternalEvent(msgspec.Struct, frozen=True):
    """One thing that can happen inside: its counter is `<name>_total` with `labels`, its line is `text` filled in.

    `text` names fields in braces, as `str.format`, and may name `count`; `labels` are those of its fields that come
    from a bounded set.
    """

    name: str
    level: int
    text: str
    labels: tuple[str, ...] = ()
    lines_per_minute: int = 10


class _Window(msgspec.Struct):
    """Lines of one event and label set in the current minute."""

    began_ns: int
    lines: int = 0
    suppressed: int = 0


class Reporter:
    """Turns internal events into log lines and counts."""

    def __init__(self, counters: Counters, clock: Clock, logger: logging.Logger | None = None) -> None:
        self.counters = counters
        self._clock = clock
        self._logger = logger or logging.getLogger(LOGGER_NAME)
        self._counters: dict[str, Counter] = {}
        self._windows: dict[tuple[str, ...], _Window] = {}

    def report(
        self, event: InternalEvent, *, count: float = 1, cause: BaseException | None = None, **fields: object
    ) -> None:
        """Count `event` (by `count`) and write its line unless its minute is full; `cause` adds a traceback."""
        labels = tuple(str(fields[label]) for label in event.labels)
        self._counter(event).add(count, *labels)
        if not self._logger.isEnabledFor(event.level):
            return
        suppressed = self._admit(event, labels)
        if suppressed is None:
            return
        more = f" ({suppressed} more like this in the last minute)" if suppressed else ""
        told = {"count": count, **fields}
        extra = {"event": event.name, **{_safe(name): _writable(value) for name, value in fields.items()}}
        self._logger.log(
            event.level, "%s", f"{_writable(event.text.format_map(told))}{more}", extra=extra, exc_info=cause
        )

    def _counter(self, event: InternalEvent) -> Counter:
        counter = self._counters.get(event.name)
        if counter is None:
            counter = self.counters.counter(f"{event.name}_total", event.text, event.labels)
            self._counters[event.name] = counter
        return counter

    def _admit(self, event: InternalEvent, labels: tuple[str, ...]) -> int | None:
        """How many lines were held back before this one, or None where this one is held back too."""
        now_ns = self._clock.monotonic_ns()
        key = (event.name, *labels)
        if len(self._windows) > _WINDOWS_LIMIT:
            self._windows.clear()
        window = self._windows.get(key)
        suppressed = 0
        if window is None or now_ns - window.began_ns >= _WINDOW_NS:
            suppressed = window.suppressed if window else 0
            window = self._windows[key] = _Window(now_ns)
        if window.lines >= event.lines_per_minute:
            window.suppressed += 1
            return None
        window.lines += 1
        return suppressed


def _safe(name: str) -> str:
    """Names that a LogRecord keeps for itself cannot be given as extra fields."""
    return f"{name}_" if name in _RESERVED else name


def _writable(value: T) -> T | str:
    """File names may hold bytes that are no UTF-8 (lone surrogates here); they are shown escaped."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


_RESERVED = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "event"}
