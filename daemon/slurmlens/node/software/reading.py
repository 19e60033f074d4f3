"""Reads one source of software, bounded; runs in the probe's process, which answers the daemon in JSON.

Owns the bounds: what has more packages, or more text, than a node tells is counted and not told. Invariants: the answer
is sorted and free of doubles, so that equal software is told in equal words; names and versions are cut at 255 signs
and have no control characters. A `mark` stands for the times of all that a source watches: while it stays, nothing was
installed. Standard library alone.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, cast

from slurmlens.node.software.found import Installed, Read, SoftwareLook, SourceProblem, Watched

MOST_PACKAGES = 20_000
MOST_TEXT = 600_000
"""Signs of all names, versions and places: what is told stays below what Kafka takes as one message."""
MOST_COUNTED = 5_000_000
_LONGEST = 255


class SoftwareSource(Protocol):
    """A source's module."""

    read: Read
    watched: Watched


def mark(argument: str) -> str:
    """What a source's files look like from outside; "" where none of them is there. `argument` as in `read`."""
    source, look = _asked(argument)
    digest, is_there = hashlib.blake2b(digest_size=16), False
    for path in source.watched(look):
        try:
            told = os.stat(path)
        except OSError:
            continue
        is_there = True
        digest.update(f"{path}\0{told.st_mtime_ns}\0{told.st_size}\0{told.st_ino}\0".encode("utf-8", "replace"))
    return digest.hexdigest() if is_there else ""


def read(argument: str) -> dict[str, Any]:
    """All packages of a source; `argument` is JSON: `{"source": "dpkg", "root": "/", "folders": [globs]}`."""
    source, look = _asked(argument)
    try:
        found = {_cleaned(one) for one in islice(source.read(look), MOST_COUNTED)}
    except SourceProblem as problem:
        return {"packages": [], "count": 0, "problem": str(problem)[:300]}
    except OSError as error:
        return {"packages": [], "count": 0, "problem": f"{error.filename}: {error.strerror}"[:300]}
    packages = sorted(one for one in found if one.name)
    return _bounded(packages)


def _bounded(packages: list[Installed]) -> dict[str, Any]:
    count = len(packages)
    if count > MOST_PACKAGES:
        problem = f"{count} packages are more than the {MOST_PACKAGES} that are told of one source: name fewer folders"
        return {"packages": [], "count": count, "problem": problem}
    if sum(map(len, (part for one in packages for part in one))) > MOST_TEXT:
        problem = f"the names of {count} packages have more than {MOST_TEXT} signs: name fewer folders"
        return {"packages": [], "count": count, "problem": problem}
    return {"packages": packages, "count": count, "problem": ""}


def _asked(argument: str) -> tuple[SoftwareSource, SoftwareLook]:
    told = json.loads(argument)
    module = importlib.import_module(f"slurmlens.node.software.{told['source']}")
    return cast(SoftwareSource, module), SoftwareLook(Path(told["root"]), tuple(told.get("folders", ())))


def _cleaned(one: Installed) -> Installed:
    return Installed(*("".join(sign if sign.isprintable() else "?" for sign in part)[:_LONGEST] for part in one))
