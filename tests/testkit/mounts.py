"""A made-up table of mounts, as the kernel writes it."""

from __future__ import annotations

from pathlib import Path


def mountinfo(folder: Path, *lines: str) -> Path:
    """A /proc below `folder` whose table of mounts has these lines."""
    (folder / "proc" / "self").mkdir(parents=True)
    (folder / "proc" / "self" / "mountinfo").write_text("".join(f"{line}\n" for line in lines))
    return folder / "proc"
