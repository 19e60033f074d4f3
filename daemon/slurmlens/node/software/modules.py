"""Environment modules, from the trees that the settings name: Lmod's `.lua` files, and Tcl files that say `#%Module`.

A module is a file; its folder below the tree is its name and the file its version (`gcc/12.2.0`), which is how
module(1) and Lmod name it. Files that begin with a dot are hidden (`.modulerc`, `.version`). The place is the tree. No
`module` or `spider` is run: it would execute what the files say. Read in the probe's process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from slurmlens.node.software.found import Installed, SoftwareLook, SourceProblem

MOST_FOLDERS = 20_000
_MAGIC = b"#%Module"


def watched(look: SoftwareLook) -> Iterator[Path]:
    """Every folder of the trees: a new version is a new entry."""
    for tree in look.places():
        for folder, _ in _folders(tree):
            yield Path(folder)


def read(look: SoftwareLook) -> Iterator[Installed]:
    """Every module of every tree."""
    for tree in look.places():
        place = look.shown(tree)
        for folder, files in _folders(tree):
            name = os.path.relpath(folder, tree)
            for file in files:
                version = file.removesuffix(".lua")
                if version != file or _is_tcl(os.path.join(folder, file)):
                    yield Installed(version, "", place) if name == "." else Installed(name, version, place)


def _folders(tree: Path) -> Iterator[tuple[str, list[str]]]:
    """Every folder with its files that are not hidden; links to folders are not followed, so no loop is."""
    for count, (folder, folders, files) in enumerate(os.walk(tree)):
        if count >= MOST_FOLDERS:
            raise SourceProblem(f"{tree} has more than {MOST_FOLDERS} folders: is that a tree of modules?")
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield folder, sorted(name for name in files if not name.startswith("."))


def _is_tcl(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False
