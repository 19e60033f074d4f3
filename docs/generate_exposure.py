#!/usr/bin/env python3
"""Writes how exposed the units are, by systemd's own judgement, into docs/installation.md; a test compares them.

`systemd-analyze security` rates a unit from 0 (safe) to 10 (unsafe); with --offline it needs no systemd that runs. Run
it after a change of a unit or a drop-in.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
SYSTEMD = CHECKOUT / "systemd"
PAGE = CHECKOUT / "docs/installation.md"
BEGIN, END = "<!-- by docs/generate_exposure.py -->\n", "<!-- until here -->"
NODE = "slurmlens-node.service"


def exposure(unit: Path) -> float:
    """As systemd judges a unit with the drop-ins beside it, 0 to 10."""
    argv = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    report = subprocess.run(argv, capture_output=True, text=True, check=True, env=environment).stdout
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", report)
    if found is None:
        raise ValueError(f"{unit}: systemd-analyze said no level: {report[-300:]}")
    return float(found[1])


def exposure_with(part: Path) -> float:
    """The node's unit with one of its drop-ins."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(SYSTEMD / NODE, folder)
        beside = Path(folder) / f"{NODE}.d"
        beside.mkdir()
        shutil.copy(part, beside)
        return exposure(Path(folder) / NODE)


def table() -> str:
    """Markdown: a row a unit, and a row for the node's with each drop-in."""
    rows = [(unit.name, exposure(unit)) for unit in sorted(SYSTEMD.glob("*.service"))]
    rows += [
        (f"{NODE} with {part.name}", exposure_with(part)) for part in sorted((SYSTEMD / "drop-ins").glob("*.conf"))
    ]
    lines = ["| unit | exposure |", "|---|---|", *(f"| `{name}` | {level} |" for name, level in rows)]
    return "\n".join(lines) + "\n"


def page() -> str:
    """The page with the table of now."""
    text = PAGE.read_text()
    head, rest = text.split(BEGIN)
    return head + BEGIN + table() + END + rest.split(END, 1)[1]


if __name__ == "__main__":
    PAGE.write_text(page())
