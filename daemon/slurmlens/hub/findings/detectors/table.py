"""All detectors by name, and which of them look again at what kind of news. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from slurmlens.hub.findings.claims import Claim
from slurmlens.hub.findings.detectors.broken_device import broken_devices
from slurmlens.hub.findings.detectors.drift import drifting_nodes
from slurmlens.hub.findings.detectors.event_rate import raised_rates
from slurmlens.hub.findings.detectors.failing_node import failing_nodes
from slurmlens.hub.findings.detectors.held_idle import held_idle
from slurmlens.hub.findings.detectors.idle_gpus import idle_gpus
from slurmlens.hub.findings.detectors.odd_node import odd_nodes
from slurmlens.hub.findings.detectors.stopped_computing import stopped_runs
from slurmlens.hub.findings.detectors.unlike_itself import unlike_themselves
from slurmlens.hub.findings.detectors.used_outside import used_outside
from slurmlens.hub.findings.observed import Observed

Detector = Callable[[Observed], Iterator[Claim]]

DETECTORS: tuple[Detector, ...] = (
    failing_nodes,
    odd_nodes,
    raised_rates,
    broken_devices,
    held_idle,
    idle_gpus,
    used_outside,
    stopped_runs,
    drifting_nodes,
    unlike_themselves,
)


OF_ENDED_RUNS: tuple[Detector, ...] = (failing_nodes,)
"""They look at runs that ended and at nothing else: of the same runs they say the same."""


def detect(observed: Observed, *, runs_are_new: bool = True) -> list[Claim]:
    """What all detectors say, the strongest first; without those that saw the same runs before."""
    asked = [one for one in DETECTORS if runs_are_new or one not in OF_ENDED_RUNS]
    claims = [claim for detector in asked for claim in detector(observed)]
    return sorted(claims, key=lambda claim: (-claim.score, claim.key))
