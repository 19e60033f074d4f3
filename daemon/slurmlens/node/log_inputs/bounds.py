"""How much a unit, a program or a job may log, and equal lines that follow each other: sans-IO.

Owns one account for each of them. A line that is the same as the one before it, of the same process, is folded into
that one while it waits to be sent, and costs nothing. All others take from two buckets, lines and bytes a second; what
finds one empty is to be dropped. Invariants: there are at most `MOST_ACCOUNTS`, the eldest gives way to a new one; a
job never takes from the account of the unit that it runs in. Fed by `road`.
"""

from __future__ import annotations

from dataclasses import dataclass

from slurmlens.clock import NS_PER_S
from slurmlens.config.log_inputs import LogInputsConfig
from slurmlens.log_lines import LogLine

MOST_ACCOUNTS = 1024
AT_ONCE_S = 10.0
"""So many seconds' worth may come at once."""


@dataclass(slots=True)
class WaitingLine:
    """A line that waits to be sent, and how many equal ones followed it."""

    line: LogLine
    repeats: int = 0


@dataclass(slots=True)
class LogAccount:
    """What one may still log now; `last` is its last line, while that waits."""

    lines_per_s: float
    bytes_per_s: float
    lines: float
    size_bytes: float
    filled_ns: int
    last: WaitingLine | None = None

    def take(self, size_bytes: int, now_ns: int) -> bool:
        """Whether one more line may go now."""
        grown_s = (now_ns - self.filled_ns) / NS_PER_S
        self.filled_ns = now_ns
        self.lines = min(self.lines_per_s * AT_ONCE_S, self.lines + grown_s * self.lines_per_s)
        self.size_bytes = min(self.bytes_per_s * AT_ONCE_S, self.size_bytes + grown_s * self.bytes_per_s)
        if self.lines < 1.0 or self.size_bytes <= 0.0:
            return False
        self.lines -= 1.0
        self.size_bytes -= size_bytes
        return True


class LogBounds:
    """The accounts of one node."""

    def __init__(self, config: LogInputsConfig) -> None:
        self._config = config
        self._accounts: dict[object, LogAccount] = {}

    def account(self, line: LogLine, now_ns: int) -> LogAccount:
        """The one that a line takes from: its job's, else its unit's or its program's."""
        key: object = line.job_id
        if key is None:
            key = line.unit or line.program or line.source
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = self._new(line.job_id is not None, now_ns)
            if len(self._accounts) > MOST_ACCOUNTS:
                del self._accounts[next(iter(self._accounts))]
        return account

    def _new(self, is_jobs: bool, now_ns: int) -> LogAccount:
        config = self._config
        lines = float(config.job_lines_per_s if is_jobs else config.unit_lines_per_s)
        size = float(config.job_bytes_per_s if is_jobs else config.unit_bytes_per_s)
        return LogAccount(lines, size, lines * AT_ONCE_S, size * AT_ONCE_S, now_ns)


def is_repeated(line: LogLine, last: WaitingLine | None) -> bool:
    """Whether a line says again what the last one of its account said."""
    if last is None:
        return False
    one = last.line
    return (
        line.message == one.message
        and line.pid == one.pid
        and line.program == one.program
        and line.severity == one.severity
        and line.step == one.step
    )
