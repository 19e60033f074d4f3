"""The program's own log: entries with fields where standard output is the journal, else JSON for machines on standard
output, a readable line on a terminal.

Owns the set-up of Python's logging, called once by each `main`. What journald does not take as an entry goes to
standard output with its priority before it (sd-daemon(3), `SyslogLevelPrefix=`). Fed by `telemetry.internal` and by
whoever logs plainly below the logger `slurmlens`. Not for job events: those go through the queue.
"""

from __future__ import annotations

import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from slurmlens.telemetry.internal import LOGGER_NAME
from slurmlens.telemetry.journal import SOCKET, JournalHandler, names_of_slurm, own_fields, priority_of

_COLOURS = {logging.WARNING: "\033[33m", logging.ERROR: "\033[31m", logging.CRITICAL: "\033[31m"}


def configure(
    level: str, style: str, identifier: str, stream: TextIO | None = None, journal_socket: Path = SOCKET
) -> logging.Logger:
    """Send all below the logger `slurmlens` to the journal or to `stream`; `level` and `style` are those of
    `config.shared.LogConfig`, `identifier` is the program's name (`journalctl -t`)."""
    out = sys.stdout if stream is None else stream
    handler: logging.Handler = logging.StreamHandler(out)
    on_terminal, is_journal = out.isatty(), _is_journal(out)
    as_line = style == "line" or (style == "auto" and (on_terminal or is_journal))
    formatter = _LineFormatter(colour=on_terminal) if as_line else _json_formatter(identifier)
    handler.setFormatter(_WithPriority(formatter) if is_journal else formatter)
    if is_journal and style == "auto":
        handler = JournalHandler(identifier, handler, journal_socket)
    logger = logging.getLogger(LOGGER_NAME)
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
    return logger


class _WithPriority(logging.Formatter):
    """`<4>` before every line of a record: the journal takes it off and keeps it as PRIORITY."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        priority = priority_of(record.levelno)
        return "\n".join(f"<{priority}>{line}" for line in self._formatter.format(record).split("\n"))


def _is_journal(stream: TextIO) -> bool:
    """Whether systemd connected this very stream to the journal (`JOURNAL_STREAM` in systemd.exec(5))."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return (str(status.st_dev), str(status.st_ino)) == (device, inode)


def set_level(level: str) -> None:
    """Write what is of this level or above from now on."""
    logging.getLogger(LOGGER_NAME).setLevel(level.upper())


def _json_formatter(identifier: str) -> logging.Formatter:
    from pythonjsonlogger.msgspec import MsgspecFormatter  # late: a terminal session does not need it

    class JsonFormatter(MsgspecFormatter):
        """ECS names, UTC with milliseconds, and the names by which the journal would have been searched."""

        def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
            log_data["@timestamp"] = _stamp(record)
            log_data["log.level"] = record.levelname.lower()
            super().add_fields(log_data, record, message_dict)
            log_data.update(names_of_slurm(record, identifier))

    return JsonFormatter("%(message)s")


def _stamp(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _LineFormatter(logging.Formatter):
    """`08:29:00.123 WARNING text  key=value`: one line whatever the message holds."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {name}={value}" for name, value in own_fields(record).items())
        line = _printable(f"{_stamp(record)[11:23]} {record.levelname:<7} {record.getMessage()} {fields}".rstrip())
        if record.exc_info:
            line = f"{line}\n{self.formatException(record.exc_info)}"
        start = _COLOURS.get(record.levelno) if self._colour else None
        return f"{start}{line}\033[0m" if start else line


def _printable(text: str) -> str:
    """A job name must not forge a second log line or steer the terminal."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
