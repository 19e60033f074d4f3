"""The file in which a daemon leaves its running sightings, and the summaries it owes, to the next one of the boot.

Owns the file; its form is `registry.memory`'s. It lies beside the status socket, in memory: another boot has no use for
it. Always whole (written beside and renamed); one that cannot be read or written is reported and costs what it would
have saved, nothing more. Used by `pipeline` and `registry_driver`.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

from slurmlens.errors import DecodeError
from slurmlens.node.registry import memory
from slurmlens.node.registry.memory import Memory
from slurmlens.runtime.whole_file import write_whole
from slurmlens.telemetry.internal import InternalEvent, Reporter

MAX_BYTES = 64 * 1024 * 1024

UNREADABLE = InternalEvent(
    "sighting_file_unreadable", logging.WARNING, "{path}: {cause_text}; running jobs are found from the cgroup tree"
)
UNWRITABLE = InternalEvent(
    "sighting_file_unwritable",
    logging.WARNING,
    "{path}: {cause_text}; after a restart running jobs would be found from the cgroup tree",
)


class SightingFile:
    """Reads once, writes at every change and every heartbeat: when it was written says how long somebody watched."""

    def __init__(self, path: Path, reporter: Reporter) -> None:
        self._path = path
        self._reporter = reporter
        self._anything = path.exists()

    def load(self) -> Memory | None:
        """What the daemon before us left; None where it left nothing that can be used."""
        try:
            with self._path.open("rb") as file:
                return memory.decode(file.read(MAX_BYTES))
        except FileNotFoundError:
            return None
        except OSError as error:
            self._reporter.report(UNREADABLE, path=self._path, cause_text=error.strerror or str(error))
        except DecodeError as error:
            self._reporter.report(UNREADABLE, path=self._path, cause_text=str(error))
            with suppress(OSError):
                self._path.unlink()
        return None

    def save(self, known: Memory) -> None:
        """Write it, unless there is nothing to tell and never was."""
        if not (known.sightings or known.ended) and not self._anything:
            return
        try:
            write_whole(self._path, memory.encode(known))
        except OSError as error:
            self._reporter.report(UNWRITABLE, path=self._path, cause_text=error.strerror or str(error))
            return
        self._anything = bool(known.sightings or known.ended)
