"""Runs a whole campaign on the simulated scheduler, with the real runner, from the first event to the last."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from bench.simulated_slurm import SimulatedSlurm
from slurmlens.campaign import record
from slurmlens.campaign.controller import Controller
from slurmlens.campaign.fold import Attempt
from slurmlens.campaign.optimisers import make_optimiser
from slurmlens.campaign.record import Event
from slurmlens.campaign.runner import Runner
from slurmlens.campaign.settings import Campaign


class MemoryJournal:
    """A journal that is a list; `before` may raise, as a process that dies or a disk that is full."""

    def __init__(self, before: Callable[[Event], None] = lambda event: None) -> None:
        self.events: list[Event] = []
        self.before = before

    def append(self, event: Event) -> None:
        self.before(event)
        self.events.append(record.decode(record.encode(event)))


def new_runner(campaign: Campaign, slurm: SimulatedSlurm, journal: MemoryJournal) -> Runner:
    """A controller as it comes up: from the journal alone."""
    controller = Controller(campaign, make_optimiser(campaign), journal.events)

    def prepare(attempt: Attempt) -> object:
        slurm.points.setdefault(attempt.id, controller.state.point(attempt.id[0]).parameters)
        return slurm.prepare(attempt)

    return Runner(controller, journal, slurm, slurm, slurm.clock, prepare)  # type: ignore[arg-type]


def run_to_end(campaign: Campaign, slurm: SimulatedSlurm, *, poll_s: float = 10.0, most_turns: int = 100_000) -> Runner:
    """The campaign from its beginning until it is closed; the runner as it is then."""
    journal = MemoryJournal()
    runner = new_runner(campaign, slurm, journal)
    runner.write(record.Opened(at_s=slurm.now_s, name=campaign.name, text=campaign.text, versions={}))
    for _ in itertools.islice(itertools.count(), most_turns):
        runner.turn()
        if runner.controller.state.closed is not None:
            break
        slurm.advance(poll_s)
    runner.controller.close()
    return runner
