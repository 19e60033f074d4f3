"""The stage that makes triggers of what happened and carries each to its end, once.

Owns its loop and the order of the steps. Each step may be done again after a crash or a stall and does no harm then:

    row written ── invoked, paused ── id written ── released ── written ── report read, written

What Galaxy did not answer is asked again, for ever; what failed is tried again from the beginning, in a history of its
own, as often as the settings say. Fed by news (a run changed) and by the clock; what it looks at is history's tables,
so that nothing is forgotten while the hub is down.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.workflows import WorkflowsConfig
from slurmlens.errors import DecodeError, GalaxyAway, GalaxyError, GalaxyRefused
from slurmlens.hub.news import FindingsChanged, News, RunsChanged
from slurmlens.hub.workflows.due import (
    FAILED_JOB,
    SCHEDULE,
    FoundJob,
    failed_tickets,
    finding_tickets,
    scheduled_ticket,
    slots,
)
from slurmlens.hub.workflows.galaxy import WorkflowService
from slurmlens.hub.workflows.store import TriggerStore
from slurmlens.hub.workflows.trigger import Trigger, TriggerState, after_failure, looked_again
from slurmlens.telemetry.internal import InternalEvent, Reporter, lasting
from slurmlens.wire.assessment import Assessment, read_document, write_document

LOOK_BACK_NS = 7 * 86_400 * NS_PER_S
LOOK_EVERY_S = 60.0
MOST_DUE = 50

MADE = InternalEvent("workflow_triggers", logging.INFO, "{count} runs are to be assessed")
DONE = InternalEvent("workflows_done", logging.INFO, "job {job_id} was assessed: {key}")
FAILED = InternalEvent(
    "workflows_failed", logging.WARNING, "the assessment of job {job_id} failed, attempt {attempt}: {problem}"
)
STRAYS = InternalEvent("workflow_strays", logging.INFO, "{count} second invocations for {key}, unreleased, cancelled")
AWAY = lasting("workflow_service_away", logging.WARNING, "Galaxy cannot be asked, triggers wait: {problem}")


class WorkflowRunner:
    """All triggers of one hub."""

    def __init__(
        self,
        store: TriggerStore,
        service: WorkflowService,
        settings: WorkflowsConfig,
        cluster: str,
        news: News,
        clock: Clock,
        reporter: Reporter,
        found: Callable[[], Awaitable[Sequence[FoundJob]]] | None = None,
    ) -> None:
        """`found` tells the jobs of open findings, where there are any."""
        self._store = store
        self._found = found
        self._service = service
        self._settings = settings
        self._cluster = cluster
        self._clock = clock
        self._reporter = reporter
        self._heard = news.subscribe(RunsChanged, FindingsChanged)
        self._workflow: str | None = None
        self._look_due_ns = 0

    async def run(self) -> None:
        """A stage: until the hub closes."""
        while True:
            await self.turn()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.poll_interval_s):
                    await self._heard.wait()
                    await asyncio.sleep(self._settings.poll_interval_s)  # several runs end together

    async def turn(self) -> None:
        """One look: new triggers, then a step or more for each that is due."""
        now_ns = self._clock.wall_ns()
        if self._heard.take_all() or now_ns >= self._look_due_ns:
            await self.find()
            self._look_due_ns = now_ns + round(LOOK_EVERY_S * NS_PER_S)
        under_way = await self._store.under_way()
        for trigger in await self._store.due(now_ns, MOST_DUE):
            if trigger.state is TriggerState.WAITING:
                if under_way >= self._settings.at_once:
                    continue
                under_way += 1
            await self._carry_on(trigger)

    async def find(self) -> None:
        """Makes a trigger of each run that is to be assessed and has none."""
        now_ns, tickets = self._clock.wall_ns(), []
        if self._settings.failed_jobs:
            since_ns = max(await self._store.since_ns(FAILED_JOB, now_ns), now_ns - LOOK_BACK_NS)
            tickets += failed_tickets(await self._store.failed_runs(since_ns), self._cluster, self._settings)
        scheduled_to_ns = None
        if self._settings.schedule_s is not None:
            since_ns = await self._store.since_ns(SCHEDULE, now_ns)
            for slot in slots(since_ns, now_ns, self._settings):
                ticket = scheduled_ticket(await self._store.ended_runs(*slot), slot, self._cluster, self._settings)
                tickets += [] if ticket is None else [ticket]
                scheduled_to_ns = slot[1]
        if self._settings.findings and self._found is not None:
            found = await self._found()
            ended = await self._store.runs_of([one.job_id for one in found])
            tickets += finding_tickets(found, ended, self._cluster, self._settings)
        made = await self._store.make(tickets, now_ns, self._settings.most_an_hour)
        if scheduled_to_ns is not None:
            await self._store.mark(SCHEDULE, scheduled_to_ns)  # after the triggers: killed between, they are known
        if made:
            self._reporter.report(MADE, count=made)

    async def _carry_on(self, trigger: Trigger) -> None:
        """Steps until there is something to wait for; what breaks is written down with the trigger."""
        try:
            while (now := await self._step(trigger)) is not trigger:
                if not await self._store.change(trigger, now):
                    return
                trigger = now
                if now.state not in (TriggerState.INVOKED, TriggerState.RELEASED) or now.due_ns > self._clock.wall_ns():
                    break
            await self._told(trigger)
        except GalaxyAway as error:
            self._reporter.report(AWAY, problem=error)
            await self._store.change(trigger, self._later(trigger, str(error)))
        except GalaxyRefused as error:
            self._workflow = None  # somebody may have deleted it
            await self._store.change(trigger, self._failed(trigger, str(error)))

    async def _step(self, trigger: Trigger) -> Trigger:
        """The next step of a trigger; what it is then."""
        now_ns = self._clock.wall_ns()
        if trigger.begun_ns is not None and now_ns > trigger.begun_ns + self._settings.give_up_s * NS_PER_S:
            return self._failed(trigger, f"not ended after {self._settings.give_up_s:g} s")
        if trigger.state is TriggerState.WAITING:
            return await self._invoke(trigger, now_ns)
        assert trigger.invocation is not None
        if trigger.state is TriggerState.INVOKED:
            if not await self._service.release(trigger.invocation):
                return self._later(trigger)
            return msgspec.structs.replace(trigger, state=TriggerState.RELEASED, due_ns=now_ns, problem=None)
        return await self._look(trigger)

    async def _invoke(self, trigger: Trigger, now_ns: int) -> Trigger:
        if self._workflow is None:
            try:
                self._workflow = await self._service.prepare()
            except GalaxyRefused as error:  # a key that is none: that is no trigger's fault, and may be mended
                raise GalaxyAway(str(error)) from error
        ticket = write_document(trigger.ticket)
        invocation = await self._service.invoke(self._workflow, trigger.history_name, ticket)
        begun_ns = trigger.begun_ns or now_ns
        return msgspec.structs.replace(
            trigger, state=TriggerState.INVOKED, invocation=invocation, begun_ns=begun_ns, due_ns=now_ns, problem=None
        )

    async def _look(self, trigger: Trigger) -> Trigger:
        assert trigger.invocation is not None
        progress = await self._service.progress(trigger.invocation)
        if progress.problem is not None:
            return self._failed(trigger, progress.problem)
        if progress.report is None:
            return self._later(trigger)
        try:
            report = read_document(progress.report, Assessment)
        except DecodeError as error:
            return self._failed(trigger, f"the report cannot be read: {error}")
        if report.key != trigger.ticket.key:
            return self._failed(trigger, f"the report is about {report.key[:100]!r}")
        return msgspec.structs.replace(trigger, state=TriggerState.DONE, report=report, problem=None)

    async def _told(self, trigger: Trigger) -> None:
        """Says what became of it, and puts away what a stall left in Galaxy."""
        job_id, key = trigger.ticket.job_id, trigger.ticket.key
        if trigger.state is TriggerState.DONE:
            self._reporter.report(DONE, job_id=job_id, key=key)
            assert trigger.invocation is not None
            with contextlib.suppress(GalaxyError):  # unreleased ones end by themselves
                if count := await self._service.cancel_others(trigger.history_name, trigger.invocation):
                    self._reporter.report(STRAYS, count=count, key=key)

    def _failed(self, trigger: Trigger, problem: str) -> Trigger:
        self._reporter.report(FAILED, job_id=trigger.ticket.job_id, attempt=trigger.attempt, problem=problem)
        settings = self._settings
        return after_failure(
            trigger, problem, self._clock.wall_ns(), attempts=settings.attempts, retry_s=settings.retry_s
        )

    def _later(self, trigger: Trigger, problem: str | None = None) -> Trigger:
        return looked_again(trigger, self._clock.wall_ns(), self._settings.poll_interval_s, problem)
