"""P12: what a hook's worst calls cost while the daemon is up, dead or stopped, or the dropbox is full.

Slurm's own program runs `CALLS` times in each state, the states in an order that changes from round to round; wall time
of a call as its parent sees it. A state's figure is the median of its rounds' 99th percentiles. In each state it is
looked at whether the hook did what it does there: an event in the dropbox, or a loss counted.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench import dropbox
from bench.node_daemon import USER_ID, DaemonShape, NodeDaemon
from bench.result import Goal, NotMeasurable, Result, Row, percentile
from bench.setting import Setting

ROWS = (
    Row(
        "P12",
        "hook p99, the worst of daemon up, dead, SIGSTOPped, dropbox full / the best",
        Goal(2.0),
        Goal(1.2),
        "the best of the four",
    ),
)
CALLS = 250
WARM_UP = 20
TAKEN_WITHIN_S = 10.0
STATES = ("up", "dead", "stopped", "full")


def measure(setting: Setting) -> list[Result]:
    bench = _Bench(setting)
    p99_us: dict[str, list[float]] = {state: [] for state in STATES}
    with dropbox.mounted(bench.daemon.dropbox), dropbox.mounted(bench.lost):
        for number in range(setting.choose(9, 3)):
            for state in random.Random(number).sample(STATES, len(STATES)):
                p99_us[state].append(bench.p99_us(state))
    medians = {state: statistics.median(values) for state, values in p99_us.items()}
    best, worst = min(medians, key=medians.__getitem__), max(medians, key=medians.__getitem__)
    figures = ", ".join(f"{state} {value:.0f} µs" for state, value in medians.items())
    spread = f"rounds of {best} alone {min(p99_us[best]):.0f}–{max(p99_us[best]):.0f}"
    return [ROWS[0].measured(medians[worst] / medians[best], f"{figures}; {spread}")]


class _Bench:
    """A daemon with its dropbox, and hooks that write into it."""

    def __init__(self, setting: Setting) -> None:
        self.daemon = setting.daemon(DaemonShape(setting.idle_node))
        self._node = setting.idle_node
        base = self.daemon.dropbox.parent
        self.lost = base / "lost"
        """Where losses are counted; on a tmpfs, as /run is."""
        self.lost.mkdir()
        self._hooks = dropbox.build_hooks(base)
        self._syslog = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._syslog.bind(str(base / "log"))
        self._called = 0

    def p99_us(self, state: str) -> float:
        """Of `CALLS` calls in this state, which is left as it was found: no daemon, an empty dropbox."""
        with _in_state(state, self.daemon):
            self._calls(WARM_UP)
            told_before = self._told(state)
            walls_us = self._calls(CALLS)
            # With the daemon up, files are gone soon after they came.
            if state != "up" and self._told(state) - told_before != CALLS:
                raise NotMeasurable(f"with the daemon {state} not every hook left its trace")
        for path in self.daemon.dropbox.iterdir():
            path.unlink()
        with suppress(BlockingIOError):
            while self._syslog.recv(4096):
                pass
        return percentile(walls_us, 0.99)

    def _told(self, state: str) -> int:
        if state == "full":
            return sum(path.stat().st_size for path in self.lost.iterdir())
        return sum(1 for _ in self.daemon.dropbox.glob("*.json"))

    def _calls(self, count: int) -> list[float]:
        return [self._call() for _ in range(count)]

    def _call(self) -> float:
        program, environment = dropbox.hook_call(self._hooks, self._called, self._node)
        self._called += 1
        begin_ns = time.perf_counter_ns()
        dropbox.call(program, environment)
        return (time.perf_counter_ns() - begin_ns) / 1e3


@contextmanager
def _in_state(state: str, daemon: NodeDaemon) -> Iterator[None]:
    if state == "dead":
        yield
        return
    with daemon:
        daemon.settle()
        if state == "full":
            _fill(daemon.dropbox)
            yield
        elif state == "stopped":
            os.kill(daemon.pid, signal.SIGSTOP)
            try:
                yield
            finally:
                os.kill(daemon.pid, signal.SIGCONT)
        else:
            yield
            _await_empty(daemon.dropbox)


def _fill(folder: Path) -> None:
    """Not a byte is left; the file's name is none of an event's."""
    path = folder / ".filler"
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(64 * 1024)):
            pass
    os.chown(path, USER_ID, USER_ID)


def _await_empty(folder: Path) -> None:
    """The daemon has taken all: it was up indeed."""
    deadline_s = time.monotonic() + TAKEN_WITHIN_S
    while any(folder.glob("*.json")):
        if time.monotonic() > deadline_s:
            raise NotMeasurable("the daemon did not empty the dropbox")
        time.sleep(0.05)
