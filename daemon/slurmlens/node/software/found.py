"""What a source of software tells: packages, and the files whose change means that they may be others.

Owns the types between the sources and `reading`. Standard library alone: the probe's process loads nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple


class Installed(NamedTuple):
    """One package: its name, its version, and where it is (an architecture, an environment, a tree)."""

    name: str
    version: str
    place: str = ""


class SoftwareLook(NamedTuple):
    """Where a source looks: below `root`, and in which folders, for those sources that have several (globs)."""

    root: Path
    folders: tuple[str, ...] = ()

    def places(self) -> list[Path]:
        """The folders that are there, below the root."""
        found: dict[Path, None] = {}
        for pattern in self.folders:
            found.update(dict.fromkeys(sorted(self.root.glob(pattern.lstrip("/")))))
        return [path for path in found if path.is_dir()]

    def shown(self, path: Path) -> str:
        """A path as the node itself has it."""
        return "/" + str(path.relative_to(self.root))


class SourceProblem(Exception):
    """A source is there and cannot be read; its words say why and what to do."""


Read = Callable[[SoftwareLook], Iterable[Installed]]
"""`read(look)`: everything that is installed; SourceProblem where that cannot be known."""

Watched = Callable[[SoftwareLook], Iterator[Path]]
"""`watched(look)`: files and folders whose time changes when something is installed; none: the source is not there."""
