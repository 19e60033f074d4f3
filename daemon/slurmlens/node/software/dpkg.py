"""Packages of Debian and its kin, from dpkg's status file.

A package is installed where the third word of its `Status` says so, whatever is wanted of it (dpkg(1), "Package
states"); one that is half installed or half configured has that in its version's place, marked. Stanzas are separated
by an empty line, continued lines begin with a blank (deb-control(5)). Read in the probe's process.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from slurmlens.node.software.found import Installed, SoftwareLook

STATUS = "var/lib/dpkg/status"
_ON_DISK = frozenset({"installed", "half-configured", "unpacked", "triggers-awaited", "triggers-pending"})


def watched(look: SoftwareLook) -> Iterator[Path]:
    """The status file: dpkg replaces it at each change."""
    yield look.root / STATUS


def read(look: SoftwareLook) -> Iterator[Installed]:
    """Everything that is on the disk."""
    with (look.root / STATUS).open(encoding="utf-8", errors="replace") as file:
        stanza: dict[str, str] = {}
        for line in file:
            if line == "\n":
                yield from _installed(stanza)
                stanza = {}
            elif line[0] not in " \t":
                field, _, value = line.partition(":")
                stanza[field] = value.strip()
        yield from _installed(stanza)


def _installed(stanza: dict[str, str]) -> Iterator[Installed]:
    words = stanza.get("Status", "").split()
    if len(words) != 3 or words[2] not in _ON_DISK or "Package" not in stanza:
        return
    mark = "" if words[2].startswith(("installed", "triggers")) else f" ({words[2]})"
    yield Installed(stanza["Package"], stanza.get("Version", "") + mark, stanza.get("Architecture", ""))
