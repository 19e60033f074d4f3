"""The secrets of one stack: made when it is brought up, known to nobody else, gone with it.

Each is a file of its own in `secrets/` of the stack's folder, closed to others. MUNGE's key is made by `deploy.munge`.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

SIZE_BYTES = 24


@dataclass(frozen=True)
class Secrets:
    """What the services prove themselves with."""

    postgresql: str
    neo4j: str


def make(folder: Path) -> Secrets:
    """New ones, written into the folder."""
    folder.mkdir(mode=0o700, exist_ok=True)
    made = Secrets(postgresql=secrets.token_urlsafe(SIZE_BYTES), neo4j=secrets.token_urlsafe(SIZE_BYTES))
    for name in ("postgresql", "neo4j"):
        write(folder / name, getattr(made, name))
    return made


def read(folder: Path) -> Secrets:
    """Those that were made."""
    return Secrets(*((folder / name).read_text() for name in ("postgresql", "neo4j")))


def write(path: Path, secret: str) -> None:
    """A file that only its owner reads, from its first moment."""
    path.touch(mode=0o600)
    path.write_text(secret)
