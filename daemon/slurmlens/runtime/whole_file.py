"""Small files that are always whole: written beside, then renamed over the one before.

Owns the way; no fsync, for these files lie in memory beside the status socket and need not outlive the machine. Used by
the sighting file, the file of unreported drops and what Consul said last.
"""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Put `content` in the place of what `path` holds, readable by owner and group. Raises OSError."""
    beside = path.with_name(f".{path.name}.tmp")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    beside.rename(path)
