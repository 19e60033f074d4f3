"""Reads whisper files as whisper.py writes them: the store's own word for what has arrived, at which second.

The format is that of whisper 1.1 (its module docstring): a header of big-endian numbers, then archives, the finest
first, each a ring of (second, value); a second of 0, or one that an older lap left, is no point.
"""

from __future__ import annotations

import struct
from pathlib import Path

_METADATA = struct.Struct("!2LfL")
_ARCHIVE = struct.Struct("!3L")
_POINT = struct.Struct("!Ld")


def finest_points(path: Path) -> dict[int, float]:
    """The finest archive's values by second; {} where there is no file yet, or one that is being made."""
    data = path.read_bytes() if path.exists() else b""
    if len(data) < _METADATA.size + _ARCHIVE.size:
        return {}
    offset, interval_s, count = _ARCHIVE.unpack_from(data, _METADATA.size)
    ring = data[offset : offset + count * _POINT.size]
    found = {second: value for second, value in _POINT.iter_unpack(ring) if second}
    newest = max(found, default=0)
    return {second: value for second, value in found.items() if newest - second < interval_s * count}


def series_file(root: Path, series: str) -> Path:
    """Where the points of a series are."""
    return root.joinpath(*series.split(".")).with_suffix(".wsp")
