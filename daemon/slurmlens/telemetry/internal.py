"""Named internal events: one call makes the log line and the counter, so that neither is forgotten.

Owns the meaning of levels. WARNING: something was not as expected, nothing is lost. ERROR: something is lost, or an
operator is needed. INFO: the course of things. DEBUG: for whoever looks for a fault.

Each component declares its events as constants of type `InternalEvent` beside its code and calls `report`. A flood of
one event is cut to a few lines a minute, and the next line says how many were left out; the counter counts all of them.
A trouble that lasts (`lasting`: a receiver that is away) has one line when it begins, one an hour, and is `over` when
the component says so.
"""

from __future__ import annotations

import logging
from typing import TypeVar

import msgspec

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.telemetry.counters import Counter, Counters

T = TypeVar("T")

LOGGER_NAME = "slurmlens"
MINUTE_S = 60
HOUR_S = 3600
_WINDOWS_LIMIT = 1000


class InternalEvent(msgspec.Struct, frozen=True):
    """One thing that can happen inside: its counter is `<name>_total` with `labels`, its line is `text` filled in.

    `text` names fields in braces, as `str.format`, and may name `count`; `labels` are those of its fields that come
    from a bounded set. At most `lines` lines are written in `window_s`.
    """

    name: str
    level: int
    text: str
    labels: tuple[str, ...] = ()
    lines: int = 10
    window_s: int = MINUTE_S


def lasting(name: str, level: int, text: str, labels: tuple[str, ...] = ()) -> InternalEvent:
    """A trouble that is met at every try: one line when it begins, and one an hour."""
    return InternalEvent(name, level, text, labels, lines=1, window_s=HOUR_S)


class _EventLines(msgspec.Struct):
    """Lines of one event and label set in its current window."""

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
        self._windows: dict[tuple[str, ...], _EventLines] = {}

    def report(
        self, event: InternalEvent, *, count: float = 1, cause: BaseException | None = None, **fields: object
    ) -> None:
        """Count `event` (by `count`) and write its line unless its window is full; `cause` adds a traceback."""
        labels = tuple(str(fields[label]) for label in event.labels)
        self._counter(event).add(count, *labels)
        if not self._logger.isEnabledFor(event.level):
            return
        suppressed = self._admit(event, labels)
        if suppressed is None:
            return
        period = "hour" if event.window_s == HOUR_S else "minute"
        more = f" ({suppressed} more like this in the last {period})" if suppressed else ""
        known = {"count": count, **fields}
        extra = {"event": event.name, **{_safe(name): _writable(value) for name, value in fields.items()}}
        self._logger.log(
            event.level, "%s", f"{_writable(event.text.format_map(known))}{more}", extra=extra, exc_info=cause
        )

    def over(self, event: InternalEvent, *labels: str) -> None:
        """A lasting trouble has ended, all of it that has these among its labels: the next one is written at once."""
        self._windows = {
            key: window
            for key, window in self._windows.items()
            if key[0] != event.name or not set(labels) <= set(key[1:])
        }

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
        if window is None or now_ns - window.began_ns >= event.window_s * NS_PER_S:
            suppressed = window.suppressed if window else 0
            window = self._windows[key] = _EventLines(now_ns)
        if window.lines >= event.lines:
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
