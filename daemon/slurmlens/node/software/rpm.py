"""Packages of rpm, from its own database: no command of the site's is run, and no lock of rpm's is taken.

`rpmdb.sqlite` (rpm 4.16 and later: EL 9, Fedora 33, openSUSE with the sqlite backend) has a table `Packages` with a
header a package: two big-endian numbers (entries, bytes of data), an index of 16 bytes an entry (tag, type, offset,
count), then the data (rpm's "Package format", "Header structure"). Several versions of one name may be installed at
once, kernels for one; `gpg-pubkey` is a key and no package. Other forms of the database (Berkeley DB, ndb) are said to
be unreadable. Read in the probe's process.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from slurmlens.node.software.found import Installed, SoftwareLook, SourceProblem

FOLDERS = ("usr/lib/sysimage/rpm", "var/lib/rpm")
_OTHER_FORMS = ("Packages", "Packages.db")
_NAME, _VERSION, _RELEASE, _EPOCH, _ARCHITECTURE = 1000, 1001, 1002, 1003, 1022
_INT32, _STRINGS = 4, frozenset({6, 8, 9})
_MOST_ENTRIES = 65_536


def watched(look: SoftwareLook) -> Iterator[Path]:
    """The database with its journal, or what there is of another form."""
    for folder in FOLDERS:
        for name in ("rpmdb.sqlite", "rpmdb.sqlite-wal", *_OTHER_FORMS):
            yield look.root / folder / name


def read(look: SoftwareLook) -> Iterator[Installed]:
    """Everything that is installed."""
    for folder in FOLDERS:
        path = look.root / folder / "rpmdb.sqlite"
        if path.exists():
            yield from _read_database(path)
            return
    raise SourceProblem("rpm's database is not of the form sqlite; this reads no other: rpmdb --rebuilddb makes it so")


def _read_database(path: Path) -> Iterator[Installed]:
    try:
        blobs = _blobs(path, "mode=ro")
    except sqlite3.OperationalError:
        blobs = _blobs(path, "mode=ro&immutable=1")  # its folder cannot be written: no shared memory for the journal
    for blob in blobs:
        package = installed(blob)
        if package is not None:
            yield package


def _blobs(path: Path, how: str) -> list[bytes]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=5.0)) as connection:
        return [blob for (blob,) in connection.execute("SELECT blob FROM Packages")]


def installed(header: bytes) -> Installed | None:
    """The package of one header; None of a key, or of a header that makes no sense."""
    try:
        tags = _tags(header)
    except (struct.error, ValueError):
        return None
    name, version = tags.get(_NAME), tags.get(_VERSION)
    if not name or not version or name == "gpg-pubkey":
        return None
    epoch = tags.get(_EPOCH)
    full = f"{version}-{tags.get(_RELEASE, '')}"
    return Installed(name, f"{epoch}:{full}" if epoch not in (None, "0") else full, tags.get(_ARCHITECTURE, ""))


def _tags(header: bytes) -> dict[int, str]:
    count, size = struct.unpack_from(">II", header)
    if count > _MOST_ENTRIES:
        raise ValueError("no header")
    begin = 8 + 16 * count
    data = header[begin : begin + size]
    found: dict[int, str] = {}
    for tag, kind, offset, _ in struct.iter_unpack(">IIII", header[8:begin]):
        if tag not in (_NAME, _VERSION, _RELEASE, _EPOCH, _ARCHITECTURE):
            continue
        if kind in _STRINGS:
            found[tag] = data[offset : data.index(b"\0", offset)].decode("utf-8", "replace")
        elif kind == _INT32:
            found[tag] = str(struct.unpack_from(">I", data, offset)[0])
    return found
