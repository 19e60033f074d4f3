"""The file in which a program leaves what Consul told it to the next one: addresses of receivers, settings.

Owns the file, beside the status socket. Always whole (written beside and renamed); one that cannot be read or written
costs freshness at the next start with Consul away, is told, and nothing more. Used by `finder` and
`node.consul`.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

import msgspec

from slurmlens.runtime.endpoint import Address
from slurmlens.runtime.whole_file import write_whole
from slurmlens.telemetry.internal import InternalEvent, Reporter

MAX_BYTES = 4 * 1024 * 1024

UNREADABLE = InternalEvent(
    "consul_memory_unreadable", logging.WARNING, "{path}: {cause_text}; starting with what the settings say"
)
UNWRITABLE = InternalEvent(
    "consul_memory_unwritable",
    logging.WARNING,
    "{path}: {cause_text}; a restart while Consul is away would begin with what the settings say",
)


class ConsulMemory(msgspec.Struct):
    """What Consul said last: addresses by what was looked for, accepted texts by key of the KV."""

    services: dict[str, tuple[Address, ...]] = {}
    settings: dict[str, str] = {}


class MemoryFile:
    """Read once at the start, written at each change."""

    def __init__(self, path: Path, reporter: Reporter) -> None:
        self._path = path
        self._reporter = reporter
        self.known = self._load()

    def save(self) -> None:
        """Write what is `known` now."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._path, msgspec.json.encode(self.known))
        except OSError as error:
            self._reporter.report(UNWRITABLE, path=self._path, cause_text=error.strerror or str(error))

    def _load(self) -> ConsulMemory:
        try:
            with self._path.open("rb") as file:
                return msgspec.json.decode(file.read(MAX_BYTES), type=ConsulMemory)
        except FileNotFoundError:
            return ConsulMemory()
        except OSError as error:
            self._reporter.report(UNREADABLE, path=self._path, cause_text=error.strerror or str(error))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._reporter.report(UNREADABLE, path=self._path, cause_text=str(error))
            with suppress(OSError):
                self._path.unlink()
        return ConsulMemory()
