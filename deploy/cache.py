"""The cache folder: things that are fetched or built once and keyed by what went into them.

A folder counts only with its `.complete` beside it; it is built in its place, under a lock that two instances
share. Virtual environments that were moved with their cache are mended by `virtual_environment`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from deploy.sandbox import CHECKOUT


def cache_root() -> Path:
    """`.cache/` of the checkout, or $SLURMLENS_CACHE."""
    root = Path(os.environ.get("SLURMLENS_CACHE") or CHECKOUT / ".cache").absolute()
    root.mkdir(parents=True, exist_ok=True)
    return root


def cached_folder(key: str, build: Callable[[Path], None]) -> Path:
    """The folder of that key; `build` fills it when it is not there yet."""
    place, complete = cache_root() / key, cache_root() / f"{key}.complete"
    if complete.exists():
        return place
    with (cache_root() / f"{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            build(place)
            complete.touch()
    return place
