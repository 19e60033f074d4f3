"""The program's own log as entries of the journal, with fields: `journalctl SLURM_JOB_ID=4711`, `-p warning`.

Owns the way to journald: one datagram an entry, a sealed file in memory for one that is too large for it. An entry that
journald does not take in time goes to standard output instead, where systemd catches it, so no line is lost by this
and none holds the program up. The encoding is `wire.journal`'s. Set up by `log.configure`, where standard output is the
journal.
"""

from __future__ import annotations

import array
import errno
import fcntl
import logging
import os
import socket
from pathlib import Path
from typing import Any

from slurmlens.wire import journal

SOCKET = Path("/run/systemd/journal/socket")
TIMEOUT_S = 0.2

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""syslog's, by the least level of each; below them all is 7, debug."""

_SLURMS_OWN = {"job_id": "SLURM_JOB_ID", "step": "SLURM_STEP_ID"}
"""Fields that are called as Slurm's own environment calls them; all others begin with SLURMLENS_."""

_TOO_LARGE = (errno.EMSGSIZE, errno.ENOBUFS)
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


def priority_of(level: int) -> int:
    """syslog's number for a level of `logging`."""
    return next((number for least, number in _PRIORITIES if level >= least), 7)


def own_fields(record: logging.LogRecord) -> dict[str, Any]:
    """What was said beside the message, by the record's own names."""
    return {name: value for name, value in vars(record).items() if name not in _PLAIN}


def names_of_slurm(record: logging.LogRecord, identifier: str) -> dict[str, str]:
    """The fields that whoever searches a log begins with, by the names that the journal and Slurm have for them."""
    own = own_fields(record)
    slurms = {name: str(own[field]) for field, name in _SLURMS_OWN.items() if own.get(field) is not None}
    return {"PRIORITY": str(priority_of(record.levelno)), "SYSLOG_IDENTIFIER": identifier, **slurms}


class JournalHandler(logging.Handler):
    """Sends records to journald; `spare` gets those that it does not take."""

    def __init__(self, identifier: str, spare: logging.Handler, path: Path = SOCKET) -> None:
        super().__init__()
        self._identifier = identifier
        self._spare = spare
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(TIMEOUT_S)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._send(journal.encode(self._fields(record)))
        except OSError:
            self._spare.handle(record)

    def close(self) -> None:
        self._socket.close()
        super().close()

    def _fields(self, record: logging.LogRecord) -> dict[str, str]:
        message = record.getMessage()
        if record.exc_info:
            message = f"{message}\n{(self.formatter or logging.Formatter()).formatException(record.exc_info)}"
        known = names_of_slurm(record, self._identifier)
        own = {f"slurmlens_{name}": str(value) for name, value in own_fields(record).items() if name not in _SLURMS_OWN}
        return {"MESSAGE": message, **known, **own}

    def _send(self, entry: bytes) -> None:
        try:
            self._socket.sendto(entry, self._path)
        except OSError as error:
            if error.errno not in _TOO_LARGE:
                raise
            self._send_as_file(entry)

    def _send_as_file(self, entry: bytes) -> None:
        """Its descriptor alone is sent; journald takes a file whose content can no longer change."""
        file = os.memfd_create("journal-entry", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
        try:
            with open(file, "wb", closefd=False) as stream:
                stream.write(entry)
            fcntl.fcntl(file, fcntl.F_ADD_SEALS, _SEALS)
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [file]))
            self._socket.sendmsg([], [rights], 0, self._path)
        finally:
            os.close(file)
