"""Settings that several programs have in common, and rules that several tables have."""

from collections.abc import Iterator
from typing import Protocol

from slurmlens.config.setting import Settings, setting

MIB = 1024 * 1024
KIB = 1024

# Names become carbon path components, file names and query parameters: nothing else may stand in them.
NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
NAME_TEXT = "letters, digits, '_', '-' and '.', at most 64"


class LogConfig(Settings):
    """The program's own log, on standard output."""

    level: str = setting("info", "least level that is written", choices=("debug", "info", "warning", "error"))
    format: str = setting(
        "auto",
        "auto writes entries with fields to the journal, readable lines on a terminal, JSON elsewhere",
        choices=("auto", "json", "line"),
    )


class ReplayConfig(Settings):
    """How what has waited for a receiver is delivered when it is back; what is new is never held back."""

    after_s: float = setting(10.0, "what has waited longer than this is replayed", minimum=1, maximum=3600)
    bytes_per_s: int = setting(2 * MIB, "replayed at most so fast, to each receiver", minimum=256 * KIB)


class BackingOff(Protocol):
    """A table of something that is tried again and again."""

    @property
    def backoff_min_s(self) -> float: ...
    @property
    def backoff_max_s(self) -> float: ...


def backoff_problems(table: BackingOff) -> Iterator[tuple[str, str]]:
    """See `Settings.problems`."""
    if table.backoff_max_s < table.backoff_min_s:
        yield "backoff_max_s", f"must be at least backoff_min_s ({table.backoff_min_s:g})"
