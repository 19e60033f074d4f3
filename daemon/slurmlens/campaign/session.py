"""A campaign at work on this machine: its folder, its lock, its journal, and the loop that turns until it is closed.

Owns the layout of the state folder (journal.db, lock, stop-request, runs/<point>.<attempt>/) and what happens around a
turn: a journal that takes nothing is waited for and read again, a request to stop is taken up. Called by the commands.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from slurmlens.campaign import record
from slurmlens.campaign.controller import Controller
from slurmlens.campaign.file import read_campaign
from slurmlens.campaign.fold import Attempt, AttemptId, State, fold
from slurmlens.campaign.job_script import check_script, lay_out
from slurmlens.campaign.journal import Journal, Lock
from slurmlens.campaign.optimisers import make_optimiser, versions
from slurmlens.campaign.record import Event
from slurmlens.campaign.runner import Runner
from slurmlens.campaign.scheduler import CampaignScheduler, wall_clock_s
from slurmlens.campaign.settings import Campaign
from slurmlens.campaign.watch import Figures, QueueWatch
from slurmlens.errors import CampaignError, JournalBusy

BUSY_WAIT_S = 5.0
_SLICE_S = 1.0


class Places:
    """Where a campaign keeps what: `state` beside its file, runs there too unless `job.folder` says elsewhere."""

    def __init__(self, campaign: Campaign, state: Path | None = None) -> None:
        name = f"{campaign.name}.campaign"
        self.state = (state or campaign.folder / name).absolute()
        self.runs = (Path(campaign.job.folder) / name if campaign.job.folder else self.state) / "runs"
        self.journal = self.state / "journal.db"
        self.lock = self.state / "lock"
        self.stop_request = self.state / "stop-request"

    def folder_of(self, attempt: AttemptId) -> Path:
        """The folder of one run."""
        return self.runs / f"{attempt[0]}.{attempt[1]}"


def read_state(campaign: Campaign, places: Places) -> State:
    """The state as the journal has it now, for those who only look; CampaignError where there is none."""
    if not places.journal.exists():
        raise CampaignError(f"{places.journal} is not there: the campaign was never run, or --state names its folder")
    journal = Journal(places.journal, read_only=True)
    try:
        return fold(campaign, journal.events())
    finally:
        journal.close()


class CampaignSession:
    """The one controller of a campaign; CampaignError where another has it, or its file is not that of the journal."""

    def __init__(self, campaign: Campaign, places: Places, figures: Figures, tell: Callable[[Event], None]) -> None:
        check_script(campaign, (campaign.folder / campaign.job.script).read_bytes())
        self.campaign = campaign
        self.places = places
        self._figures = figures
        self._tell = tell
        places.state.mkdir(parents=True, exist_ok=True)
        self._lock = Lock(places.lock)
        if (holder := self._lock.take()) is not None:
            raise CampaignError(f"campaign {campaign.name} is run by {holder} already: this one ends")
        self._journal = Journal(places.journal)
        self._scheduler = CampaignScheduler(campaign, timeout_s=campaign.poll.timeout_s)
        self._watch = QueueWatch(campaign, self._scheduler, places.folder_of, figures)
        self.runner = self._new_runner()
        self.trouble: str | None = None

    @property
    def state(self) -> State:
        """The campaign's state now."""
        return self.runner.controller.state

    def open(self) -> None:
        """Write the first event of a new campaign."""
        if self.state.opened is None:
            opened = record.Opened(
                at_s=wall_clock_s(), name=self.campaign.name, text=self.campaign.text, versions=versions(self.campaign)
            )
            self.runner.write(opened)

    def resume(self) -> None:
        """Go on after a pause or an end, as the file says now."""
        if self.state.paused or self.state.stopping or self.state.closed:
            self.runner.write(record.Resumed(at_s=wall_clock_s()))

    def stop(self, reason: str) -> None:
        """Ask for no more and end what runs."""
        if self.state.stopping is None or not self.state.stopping.cancel:
            self.runner.write(record.Stopping(at_s=wall_clock_s(), reason=reason, cancel=True))

    def work(self, heard: Callable[[State, str | None], None], pause: Callable[[float], None] = time.sleep) -> None:
        """Turn until the campaign is closed or paused; `heard` gets the state after every turn."""
        while self.state.closed is None:
            wait_s = self._turn()
            heard(self.state, self.trouble or self._watch.trouble)
            if self.state.closed is not None or (self.state.paused is not None and not self.state.live):
                return
            self._pause(wait_s, pause)

    def close(self) -> None:
        """Let go of everything; jobs go on."""
        self.runner.controller.close()
        self._journal.close()
        self._lock.free()

    def _turn(self) -> float:
        try:
            if self.trouble is not None:
                self.runner.controller.close()
                self.runner = self._new_runner()
                self.trouble = None
            self._take_request()
            return self.runner.turn()
        except JournalBusy as error:
            self.trouble = f"the journal takes nothing ({error}): nothing is submitted until it does"
            return BUSY_WAIT_S
        except OSError as error:
            self.trouble = f"{error.filename or 'a file'}: {error.strerror}: nothing is submitted until that is mended"
            return BUSY_WAIT_S

    def _pause(self, wait_s: float, pause: Callable[[float], None]) -> None:
        """Wait in slices, so that a request to stop does not wait for a whole poll."""
        while wait_s > 0 and not self.places.stop_request.exists():
            pause(min(_SLICE_S, wait_s))
            wait_s -= _SLICE_S

    def _take_request(self) -> None:
        if self.places.stop_request.exists():
            self.stop("someone asked for it")
            with contextlib.suppress(OSError):
                self.places.stop_request.unlink()

    def _new_runner(self) -> Runner:
        """A controller from the journal alone, as after a crash."""
        events = self._journal.events()
        if events and isinstance(events[0], record.Opened):
            check_same(self.campaign, events[0], self.places)
        controller = Controller(self.campaign, make_optimiser(self.campaign), events)

        def prepare(attempt: Attempt) -> Path:
            point = controller.state.point(attempt.id[0])
            return lay_out(self.campaign, self.places.folder_of(attempt.id), *attempt.id, point.parameters)

        return Runner(controller, self._journal, self._scheduler, self._watch, wall_clock_s, prepare, self._tell)


def check_same(campaign: Campaign, opened: record.Opened, places: Places) -> None:
    """CampaignError where the file now describes another search than the journal's; limits and policies may change."""
    if campaign.text == opened.text:
        return
    copy = places.state / "opened.toml"
    copy.write_text(opened.text)
    then = read_campaign(copy, folder=campaign.folder)
    for what in ("name", "space", "objectives", "constraints", "optimiser"):
        if _comparable(getattr(then, what)) != _comparable(getattr(campaign, what)):
            raise CampaignError(
                f"[{what}] is not what the campaign began with, which is kept in {copy}: put it back,"
                " or give the file a new name"
            )


def _comparable(value: object) -> str:
    """Rules hold parsed trees, which compare by identity: their texts are what counts."""
    allowed = getattr(value, "allowed", None)
    if allowed is not None:
        return f"{value.parameters} {[rule.text for rule in allowed]}"  # type: ignore[attr-defined]
    return repr(value)
