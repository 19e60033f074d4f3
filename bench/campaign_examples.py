"""The shipped examples as functions in simulated time: an aerofoil in closed form, Sellar's two disciplines.

Owns the figures and the courses that a run would print while it converges: cd_k = cd + A exp(-k / tau), with an
amplitude and a time constant that depend on the point, and a run that takes a little longer where it converges slowly.
"""

from __future__ import annotations

import math
from pathlib import Path

from bench.simulated_slurm import Run
from slurmlens.campaign.file import read_campaign
from slurmlens.campaign.settings import Campaign
from slurmlens.campaign.space import Parameters

EXAMPLES = Path(__file__).parents[1] / "examples"
STEPS = 60
AEROFOIL_BEST = 0.01011086
SELLAR_BEST = 3.183394


def example(name: str) -> Campaign:
    """A shipped example's campaign."""
    return read_campaign(EXAMPLES / name / "campaign.toml")


def aerofoil(parameters: Parameters, attempt: int) -> Run:
    """cl = 2 pi (alpha + 2 m), cd = 0.008 + 0.5 alpha^2 + 4 m^2; best at alpha 0.0530516, m 0.0132629."""
    alpha, camber = float(parameters["alpha"]), float(parameters["camber"])
    cl = 2 * math.pi * (alpha + 2 * camber)
    cd = 0.008 + 0.5 * alpha**2 + 4 * camber**2
    return _run(cd, {"cd": cd, "cl": cl}, alpha + camber)


def sellar(parameters: Parameters, attempt: int) -> Run:
    """Sellar, Batill, Renaud 1996: two coupled disciplines solved by fixed-point iteration; best 3.183394."""
    z1, z2, x = (float(parameters[name]) for name in ("z1", "z2", "x"))
    y1 = y2 = 1.0
    for _ in range(200):
        y1 = z1**2 + z2 + x - 0.2 * y2
        y2 = math.sqrt(abs(y1)) + z1 + z2
    f = x**2 + z2 + y1 + math.exp(-y2)
    return _run(f, {"f": f, "y1": y1, "y2": y2}, z1 + z2 + x)


def _run(final: float, values: dict[str, float], place: float) -> Run:
    scatter = 0.5 + 0.5 * math.sin(1000 * place)  # a number that differs from point to point and is the same each time
    amplitude = abs(final) * (0.5 + scatter)
    tau = STEPS * (0.10 + 0.12 * scatter)
    course = [final + amplitude * math.exp(-step / tau) for step in range(1, STEPS + 1)]
    return Run(STEPS * (4.0 + 2.0 * scatter), values, course=course)
