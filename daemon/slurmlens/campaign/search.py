"""What to try next: the optimiser, kept in step with the journal.

Owns the proposal that is not in the journal yet, the numbering of asks, and the check of the replay. Fed with every
event in its order, before and after a crash alike, so there is one way only by which an optimiser gets into its state.
Used by `controller`.

Invariant: a proposal is written down before anything is told, so that asks and tells reach the optimiser in the
journal's order.
"""

from __future__ import annotations

from slurmlens.campaign import record
from slurmlens.campaign.fold import State
from slurmlens.campaign.optimisers import Evaluation, Optimiser, versions
from slurmlens.campaign.record import Event, PointVerdict
from slurmlens.campaign.settings import Campaign
from slurmlens.campaign.space import Parameters, canonical
from slurmlens.errors import CampaignError


class Search:
    """Asks the optimiser, and tells it what the journal says."""

    def __init__(self, campaign: Campaign, optimiser: Optimiser) -> None:
        self._campaign = campaign
        self._optimiser = optimiser
        self._proposal: Parameters | None = None
        self._versions: dict[str, str] = {}

    @property
    def waiting(self) -> bool:
        """Whether a proposal stands that the journal does not have."""
        return self._proposal is not None

    @property
    def finished(self) -> bool:
        """Whether the optimiser will ask for nothing more."""
        return self._proposal is None and self._optimiser.finished

    def proposal(self) -> Parameters | None:
        """The next point; the same one until it is applied; None while answers are needed first."""
        if self._proposal is None:
            self._proposal = self._optimiser.ask()
        return self._proposal

    def event(self, state: State, now_s: float) -> record.Asked | None:
        """The proposal as the event that has to be written; None where there is none."""
        point = self.proposal()
        if point is None:
            return None
        known = state.by_parameters.get(canonical(point))
        broken = self._campaign.space.refusal(point) if known is None else None
        return record.Asked(
            at_s=now_s,
            point=len(state.points) + 1,
            parameters=point,
            same_as=known,
            refused=broken[0] if broken else None,
            excess=broken[1] if broken else 0.0,
        )

    def apply(self, event: Event) -> None:
        """Bring the optimiser to where the journal is; CampaignError where it asks for another point than it did
        then.
        """
        if isinstance(event, record.Opened):
            self._versions = event.versions
        elif isinstance(event, record.Asked):
            self._check(event)
        elif isinstance(event, record.PointTold):
            self._optimiser.tell(event.point - 1, self._answer(event))

    def close(self) -> None:
        """Let the optimiser's thread go."""
        self._optimiser.close()

    def _check(self, event: record.Asked) -> None:
        proposed = self.proposal()
        self._proposal = None
        if proposed is not None and canonical(proposed) == canonical(event.parameters):
            return
        now = versions(self._campaign)
        raise CampaignError(
            f"{self._campaign.optimiser.use} asks for {proposed and canonical(proposed)} as point {event.point},"
            f" where the journal has {canonical(event.parameters)}. Libraries then: {self._versions}; now: {now}."
            " Install those again, or start a new campaign"
        )

    def _answer(self, event: record.PointTold) -> Evaluation:
        names = [one.name for one in self._campaign.objectives]
        values: tuple[float, ...] = ()
        if all(name in event.values for name in names):
            values = tuple(one.minimised(event.values[one.name]) for one in self._campaign.objectives)
        violations: tuple[float, ...] = ()
        if event.verdict is PointVerdict.FINE:
            violations = tuple(one.violation(event.values[one.name]) for one in self._campaign.constraints)
        return Evaluation(values, event.excess, violations, event.verdict)
