"""Virtual environments in the cache: made there once, and still usable where the cache was moved.

A script of an environment names its interpreter by path, and so is dead once the folder has another. `at_home` writes
the folder's own path in its place; called by whoever takes an environment from the cache.
"""

from __future__ import annotations

import fcntl
from pathlib import Path

_INTERPRETER = b"/bin/python"
_LONGEST_LINE = 512


def at_home(environment: Path) -> Path:
    """The environment's real path; scripts that name another folder's interpreter are written anew."""
    place = environment.resolve()
    with place.with_name(f"{place.name}.home.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for script in (place / "bin").iterdir():
            if script.is_file() and not script.is_symlink():
                _write_own_path(script, place)
    return place


def _write_own_path(script: Path, place: Path) -> None:
    with script.open("rb") as file:
        first = file.readline(_LONGEST_LINE)
    path, found, version = first[2:].strip().rpartition(_INTERPRETER)
    is_foreign = first.startswith(b"#!") and found and path != bytes(place) and b" " not in path
    if not is_foreign or Path(path.decode()).name != place.name:
        return  # no script, or of an interpreter of the machine's
    text = script.read_bytes()
    new = script.with_name(f"{script.name}.new")
    new.write_bytes(b"#!" + bytes(place) + _INTERPRETER + version + b"\n" + text[len(first) :])
    new.chmod(script.stat().st_mode & 0o777)
    new.rename(script)
