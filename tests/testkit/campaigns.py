"""Campaigns made in a test: a file with a script beside it, and small problems whose optimum is known."""

from __future__ import annotations

from pathlib import Path

from slurmlens.campaign.file import read_campaign
from slurmlens.campaign.settings import Campaign

TABLE = """
name = "bowl"
[[objective]]
name = "y"
[job]
script = "run.sh"
time_s = 600
[optimiser]
use = "{use}"
seed = {seed}
start_points = {start}
[limits]
at_once = {at_once}
points = {points}
{limits}
[space]
x = {{ low = -1.0, high = 2.0 }}
n = {{ {n} }}
[result.y]
file = "out"
match = 'y=(\\S+)'
{more}
"""


def bowl(
    folder: Path,
    *,
    use: str = "compass",
    seed: int = 1,
    start: int = 5,
    at_once: int = 3,
    points: int = 40,
    limits: str = "",
    more: str = "",
) -> Campaign:
    """Least y = (x - 0.5)^2 + (n - 4)^2."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.sh").write_text("#!/bin/sh\necho y=1 > out\n")
    file = folder / "bowl.toml"
    n = "low = 0.0, high = 9.0" if use == "openmdao:slsqp" else "low = 0, high = 9, integer = true"
    given = {"use": use, "seed": seed, "start": start, "at_once": at_once, "points": points}
    file.write_text(TABLE.format(n=n, limits=limits, more=more, **given))
    return read_campaign(file)
