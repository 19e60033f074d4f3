"""Settings that several programs have in common."""

from __future__ import annotations

from dataclasses import dataclass

from slurmlens.config.setting import setting

MIB = 1024 * 1024

# Names become carbon path components, file names and query parameters: nothing else may stand in them.
NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
NAME_TEXT = "letters, digits, '_', '-' and '.', at most 64"


@dataclass(frozen=True, slots=True)
class LogConfig:
    """The program's own log, on standard output."""

    level: str = setting("info", "least level that is written", choices=("debug", "info", "warning", "error"))
    format: str = setting(
        "auto", "auto writes readable lines on a terminal, JSON otherwise", choices=("auto", "json", "line")
    )
