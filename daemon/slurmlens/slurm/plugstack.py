"""What plugstack.conf loads: its lines and those of the files that it includes. Reads files, judges nothing.

A line is `optional|required PATH [arguments]` or `include PATTERN` (spank(8)). Asked by `slurmlens doctor`.
"""

from __future__ import annotations

from collections.abc import Iterator
from glob import glob
from pathlib import Path

import msgspec

DEEPEST = 4
"""Files that include one another end here."""


class PluginLine(msgspec.Struct, frozen=True):
    """One plugin: whether a job may run without it, and whether its file is there."""

    is_required: bool
    path: str
    is_there: bool


def plugin_lines(path: Path, depth: int = 0) -> Iterator[PluginLine]:
    """All plugins that the file loads, in its order; nothing of a file that cannot be read."""
    try:
        text = path.read_text("utf-8", "replace")
    except OSError:
        return
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if len(words) < 2:  # a word and its path
            continue
        if words[0] == "include" and depth < DEEPEST:
            for included in sorted(glob(str(path.parent / words[1]))):
                yield from plugin_lines(Path(included), depth + 1)
        elif words[0] in ("optional", "required"):
            yield PluginLine(words[0] == "required", words[1], Path(words[1]).is_file())
