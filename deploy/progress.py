"""What the demo says: numbered steps, how long each took, one line per thing that happened."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

BOLD, GREEN, RED, PLAIN = "\x1b[1m", "\x1b[32m", "\x1b[31m", "\x1b[0m"


class Progress:
    """Numbered steps on standard output, coloured on a terminal."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._number = 0
        self._colour = sys.stdout.isatty()
        self._began = time.monotonic()
        self.failures = 0

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """One step: what it does before, how long it took after."""
        self._number += 1
        self._print(self._in(BOLD, f"[{self._number}/{self._steps}] {what}"))
        began = time.monotonic()
        yield
        self.say(f"done after {time.monotonic() - began:.1f} s ({time.monotonic() - self._began:.0f} s in all)")

    def say(self, text: str) -> None:
        """A line below the step."""
        for line in text.splitlines():
            self._print(f"      {line}")

    def check(self, good: bool, text: str) -> None:
        """The result of one check; a bad one makes the demo end with status 1."""
        self.failures += not good
        self.say(f"{self._in(GREEN, 'ok  ') if good else self._in(RED, 'BAD ')} {text}")

    def _in(self, colour: str, text: str) -> str:
        return f"{colour}{text}{PLAIN}" if self._colour else text

    def _print(self, line: str) -> None:
        print(line, flush=True)
