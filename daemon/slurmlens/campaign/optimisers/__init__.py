"""Optimisers behind ask and tell, one a file; heavy libraries are imported by the one that needs them.

Owns the protocol and the table. An optimiser is deterministic: the same asks and tells in the same order give the same
points, which is how it comes back after a crash. Used by `search` alone.
"""

from __future__ import annotations

import importlib
from typing import NamedTuple, Protocol, cast

from slurmlens.campaign.record import PointVerdict
from slurmlens.campaign.settings import Campaign
from slurmlens.campaign.space import Parameters
from slurmlens.errors import CampaignError


class Evaluation(NamedTuple):
    """What is known of a point: objectives (smaller is better; empty where there are none) and `excess`, the sum of
    broken constraints (0 or less: none); `violations` has one a constraint, negative is slack.
    """

    values: tuple[float, ...]
    excess: float
    violations: tuple[float, ...]
    verdict: PointVerdict


class Optimiser(Protocol):
    """Says which point comes next."""

    def ask(self) -> Parameters | None:
        """The next point; None while answers are needed first, or at the end."""

    def tell(self, number: int, answer: Evaluation) -> None:
        """The answer to the ask of that number (from 0)."""

    @property
    def finished(self) -> bool:
        """Whether nothing will be asked any more."""

    def close(self) -> None:
        """Let go of threads; nothing is asked afterwards."""


class Maker(Protocol):
    """What each module offers; `method` is what stands behind the colon."""

    PACKAGES: tuple[str, ...]

    def make(self, campaign: Campaign, method: str) -> Optimiser: ...


_MODULES = {
    "latin-hypercube": "latin_hypercube",
    "compass": "compass",
    "scipy:cobyqa": "scipy_local",
    "scipy:direct": "scipy_global",
    "scipy:differential-evolution": "scipy_global",
    "optuna:tpe": "optuna_study",
    "optuna:cma-es": "optuna_study",
    "optuna:nsga2": "optuna_study",
    "openmdao:slsqp": "openmdao_driver",
    "openmdao:cobyla": "openmdao_driver",
}


def make_optimiser(campaign: Campaign) -> Optimiser:
    """The optimiser that the campaign names; CampaignError with the package to install where it is missing."""
    use = campaign.optimiser.use
    try:
        maker = cast(Maker, importlib.import_module(f"{__name__}.{_MODULES[use]}"))
        return maker.make(campaign, use.partition(":")[2])
    except ImportError as error:
        extra = "openmdao" if use.startswith("openmdao") else "campaign"
        raise CampaignError(
            f"{use} needs a package that is not there: pip install 'slurmlens[{extra}]' ({error})"
        ) from error


def versions(campaign: Campaign) -> dict[str, str]:
    """The releases that the points depend on: another release may ask for other points."""
    from importlib.metadata import PackageNotFoundError, version

    maker = cast(Maker, importlib.import_module(f"{__name__}.{_MODULES[campaign.optimiser.use]}"))
    found: dict[str, str] = {}
    for package in maker.PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found
