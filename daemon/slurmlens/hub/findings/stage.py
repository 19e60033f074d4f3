"""The stage that looks for findings: woken by news, it gathers what detectors want and hands on what they say.

Owns its loop, what it remembers between two turns (loads of runs, events, nodes), and the bounds of that. A turn reads
of history only what news named. Nothing is asked while there is no news; while known problems stand their verification
is looked at once in `RECHECK_S`. Fed by `news` and the lines' tail; feeds `room`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.database.store import StoreError
from slurmlens.hub.findings.claims import Claim, ClosedWhy, Finding, FindingKind
from slurmlens.hub.findings.detectors.broken_device import COUNTERS
from slurmlens.hub.findings.detectors.event_rate import WATCHED
from slurmlens.hub.findings.detectors.odd_node import METRIC, pooled_noise
from slurmlens.hub.findings.detectors.table import detect
from slurmlens.hub.findings.events import RECENT_NS, EventLedger
from slurmlens.hub.findings.loads import gpu_loads, load_of
from slurmlens.hub.findings.makeup import makeup_of, set_apart
from slurmlens.hub.findings.observed import FAILED, NodeMakeup, Observed, RunLoad
from slurmlens.hub.findings.past_looks import PastLooks
from slurmlens.hub.findings.problems.matching import matches
from slurmlens.hub.findings.problems.verifying import verified
from slurmlens.hub.findings.reading import RecentRuns
from slurmlens.hub.findings.room import FindingRoom
from slurmlens.hub.history.read.queries import Queries
from slurmlens.hub.inventory.runs import PlacedRun
from slurmlens.hub.logs.query import MOST_LINES, LogQuery, StoredLine
from slurmlens.hub.logs.store import LogReads
from slurmlens.hub.logs.tail import LogTail
from slurmlens.hub.news import (
    Fact,
    FactOfJob,
    FindingsChanged,
    Missed,
    News,
    NodesReceived,
    ProfileGrew,
    RunsChanged,
    TroubleLogged,
)
from slurmlens.hub.node_states.facts import OutsidersTold
from slurmlens.hub.node_states.read import NodeStateQueries
from slurmlens.runtime.beside import beside
from slurmlens.telemetry.internal import InternalEvent, Reporter

BEGAN = InternalEvent("findings_begun", logging.WARNING, "{finding}: {sentence}", ("kind",))
ENDED = InternalEvent("findings_ended", logging.INFO, "{finding} is over: {why}", ("why",))
LEFT_OUT = InternalEvent(
    "finding_runs_left_out", logging.WARNING, "{count} jobs changed faster than they are looked at"
)

SETTLE_S = 2.0
REST_S = 5.0
"""Between two turns, so that a burst of news is one turn."""
RECHECK_S = 30.0
AGAIN_AFTER_S = 60.0
"""A running job's course is looked at no more often."""
LOADS_A_TURN = 40
MOST_WAITING = 2_000
MOST_LOADS = 2_000
NOISE_OF_LOADS = 200
"""The spread that is usual is that of the latest so many."""
KEPT_AFTER_END_NS = 900 * NS_PER_S
OUTSIDERS_OF_NS = 300 * NS_PER_S
"""Who uses a node without a job is told every minute; what is older says nothing of now."""
PAGES_READ_BACK = 20
STATE_KINDS = frozenset({"node_state_set", "node_reason_set"})


class FindingStage:
    """The stage of one cluster."""

    def __init__(
        self,
        room: FindingRoom,
        history: Queries,
        recent: RecentRuns,
        logs: LogReads | None,
        tail: LogTail | None,
        news: News,
        clock: Clock,
        reporter: Reporter,
        states: NodeStateQueries | None = None,
    ) -> None:
        self._states = states
        self._pasts = PastLooks(states)
        self._outsiders: tuple[OutsidersTold, ...] = ()
        self._room = room
        self._history = history
        self._recent = recent
        self._logs = logs
        self._tail = tail
        self._news = news
        self._clock = clock
        self._reporter = reporter
        self._heard = news.subscribe(RunsChanged, ProfileGrew, NodesReceived, TroubleLogged, FindingsChanged)
        self._events = EventLedger(clock.wall_ns())
        self._waiting: dict[int, None] = {}
        self._looked_ns: dict[int, int] = {}
        self._loads: dict[int, RunLoad] = {}
        self._fresh: list[int] = []
        self._nodes: dict[str, NodeMakeup] = {}
        self._runs: tuple[PlacedRun, ...] = ()
        self._judged_runs: tuple[PlacedRun, ...] | None = None
        """Those that detectors have seen, and whose findings are kept."""
        self._runs_are_stale = True
        self._noise: float | None = None

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of lines that anybody here looks at."""
        wanted = WATCHED | STATE_KINDS | {row.kind for row in COUNTERS}
        return wanted.union(*(problem.event_kinds for problem in self._room.problems.values()))

    async def run(self) -> None:
        """A stage: a turn for each burst of news, for ever."""
        self._room.lead()
        await self._read_back()
        await self._room.ledger()
        self._waiting.update(dict.fromkeys(self._jobs_of_standing()))
        while True:
            try:
                async with asyncio.timeout(RECHECK_S if self._room.standing else None):
                    self.note([await anext(self._heard)])
                    await asyncio.sleep(SETTLE_S)
            except TimeoutError:
                pass
            except StopAsyncIteration:
                return
            self.note(self._heard.take_all())
            await self.turn()
            await asyncio.sleep(REST_S)

    async def hear_lines(self) -> None:
        """A stage: takes lines of trouble as they are kept, for ever."""
        if self._tail is None:
            return
        with self._tail.watch(EVERYBODY, LogQuery(kinds=self.kinds)) as lines:
            async for told in lines:
                self.hear(told.lines)

    def hear(self, lines: Iterable[StoredLine]) -> None:
        """Lines were kept."""
        for line in lines:
            self._events.add(line)
            self._note_state(line)
        self._news.publish(TroubleLogged())

    def _note_state(self, stored: StoredLine) -> None:
        """The controller says of a node's state in its log before it is asked the next time."""
        line = stored.line
        node = str(line.fields.get("nodes", ""))
        if line.kind == "node_state_set" and node in self._nodes:
            self._nodes[node] = self._nodes[node].with_state(str(line.fields.get("state", "")))

    def note(self, facts: Iterable[Fact]) -> None:
        """News came: what is to be looked at in the next turn."""
        for fact in facts:
            if isinstance(fact, NodesReceived):
                self._nodes = {record.name: makeup_of(record) for record in fact.records}
            elif isinstance(fact, RunsChanged):
                self._looked_ns.pop(fact.job_id, None)
                self._waiting[fact.job_id] = None
            elif isinstance(fact, FactOfJob):
                self._waiting.setdefault(fact.job_id, None)
            elif isinstance(fact, FindingsChanged):
                self._room.hear(fact)
            elif isinstance(fact, Missed):
                self._runs_are_stale = True
        if len(self._waiting) > MOST_WAITING:
            left_out = list(self._waiting)[: len(self._waiting) - MOST_WAITING]
            for job_id in left_out:
                del self._waiting[job_id]
            self._reporter.report(LEFT_OUT, count=len(left_out))

    async def turn(self) -> list[Finding]:
        """Looks once at what is to be looked at; returns the findings that changed."""
        await self._look_at_jobs()
        if self._runs_are_stale:
            self._runs = await self._recent.ended(EVERYBODY, self._clock.wall_ns())
            self._runs_are_stale = False
        if self._states is not None:
            since_ns = self._clock.wall_ns() - OUTSIDERS_OF_NS
            self._outsiders = await self._states.outsiders(EVERYBODY, since_ns)
        latest = tuple(self._loads.values())[-NOISE_OF_LOADS:]
        self._noise = await beside(lambda: pooled_noise(latest)) or self._noise
        if self._nodes:
            self._room.set_apart(set_apart(self._nodes.values()))
        observed = await self._observed()
        are_new = observed.runs is not self._judged_runs
        claims = await beside(lambda: detect(observed, runs_are_new=are_new))
        changed = await self._room.take(claims)
        self._judged_runs = observed.runs
        closed, matched = await beside(lambda: self._judge_problems(observed, self._room.standing))
        changed += await self._room.take(matched, closed)
        self._report(changed)
        return changed

    async def _observed(self) -> Observed:
        now_ns = self._clock.wall_ns()
        looked_at = dict.fromkeys((*self._fresh, *self._jobs_of_standing()))
        return Observed(
            now_ns=now_ns,
            runs=self._runs,
            loads=tuple(load for job_id in looked_at if (load := self._loads.get(job_id)) is not None),
            events=self._events.recent(now_ns),
            rates=await self._events.rates(now_ns),
            nodes=dict(self._nodes),
            noise={} if self._noise is None else {METRIC: self._noise},
            outsiders=self._outsiders,
            courses=await self._pasts.next(self._nodes, now_ns),
        )

    def _jobs_of_standing(self) -> Iterator[int]:
        """Jobs that findings which are not over are about."""
        for finding in self._room.standing:
            if finding.claim.subject.kind == "job":
                yield int(finding.claim.subject.name)

    def _judge_problems(
        self, observed: Observed, standing: Sequence[Finding]
    ) -> tuple[list[tuple[Finding, ClosedWhy]], list[Claim]]:
        """Which known problems are over, and which there are."""
        problems = self._room.problems
        closed = []
        for finding in standing:
            problem = problems.get(finding.claim.detail) if finding.claim.kind is FindingKind.KNOWN_PROBLEM else None
            if problem is not None and (why := verified(problem, finding, observed)) is not None:
                closed.append((finding, why))
        ended = {finding.claim.key for finding, _ in closed}
        claims = [claim for claim in matches(problems.values(), observed, standing) if claim.key not in ended]
        return closed, claims

    async def _look_at_jobs(self) -> None:
        now_ns = self._clock.wall_ns()
        due = [job_id for job_id in self._waiting if self._is_due(job_id, now_ns)][:LOADS_A_TURN]
        self._fresh = due
        for job_id in due:
            del self._waiting[job_id]
            try:
                facts = await self._history.job_facts(EVERYBODY, job_id)
            except StoreError:
                self._waiting[job_id] = None  # nobody would tell of one that is over a second time
                raise
            self._looked_ns[job_id] = now_ns
            if facts is None:
                continue
            load = await beside(lambda facts=facts: load_of(facts))  # type: ignore[misc]
            if self._states is not None and load.is_running:
                told = await self._states.of_job(EVERYBODY, job_id, load.run.run)
                load = msgspec.structs.replace(load, gpus=gpu_loads(told))
            self._loads.pop(job_id, None)
            self._loads[job_id] = load  # behind those that were looked at before
            self._runs_are_stale |= load.run.state in FAILED or (not load.is_running and bool(self._room.standing))
        self._forget(now_ns)

    def _is_due(self, job_id: int, now_ns: int) -> bool:
        looked_ns = self._looked_ns.get(job_id)
        return looked_ns is None or now_ns - looked_ns >= AGAIN_AFTER_S * NS_PER_S

    def _forget(self, now_ns: int) -> None:
        over = [
            job_id
            for job_id, load in self._loads.items()
            if load.run.end_ns is not None and now_ns - load.run.end_ns > KEPT_AFTER_END_NS
        ]
        for job_id in [*over, *list(self._loads)[: max(0, len(self._loads) - len(over) - MOST_LOADS)]]:
            self._loads.pop(job_id, None)
            self._looked_ns.pop(job_id, None)

    async def _read_back(self) -> None:
        """What logs told before the hub was started."""
        if self._logs is None:
            return
        query = LogQuery(kinds=self.kinds, since_ns=self._clock.wall_ns() - RECENT_NS, limit=MOST_LINES)
        for _ in range(PAGES_READ_BACK):
            page = await self._logs.search(EVERYBODY, query)
            for line in page.lines:
                self._events.add(line)
            if not page.has_more or not page.lines:
                return
            query = msgspec.structs.replace(query, after=page.lines[-1].place)

    def _report(self, changed: Sequence[Finding]) -> None:
        for finding in changed:
            if finding.is_over:
                why = finding.closed_why.value if finding.closed_why else "?"
                self._reporter.report(ENDED, finding=finding.name, why=why)
            elif finding.first_ns == finding.last_ns or finding.first_ns >= self._clock.wall_ns() - NS_PER_S:
                self._reporter.report(
                    BEGAN, finding=finding.name, sentence=finding.claim.sentence, kind=finding.claim.kind.value
                )
