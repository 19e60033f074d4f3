"""Everything that a hub asks of its database and writes into it, done once: a scene on a history of any length.

Owns the calls, room by room. What reads or writes belongs here, on the day it is written: `test_no_statement_walks`
finds every function of `ROOMS` that gives the database a statement, and fails where none of these calls reaches it. A
room that gets a store gets a part of the scene. Played on an empty database or on
one that `bench.hub_load.histories` has filled.
"""

from __future__ import annotations

import itertools

import msgspec
from bench.hub_load.job_mix import JobMix, jobs_of, node_name

from slurmlens.clock import NS_PER_S
from slurmlens.config.access import AccessConfig
from slurmlens.config.retention import RetentionConfig
from slurmlens.config.workflows import WorkflowsConfig
from slurmlens.events import (
    JobIdentity,
    JobMessage,
    JobProgress,
    TaskProgress,
)
from slurmlens.hub.access.account_people import AccountPeople
from slurmlens.hub.access.looks import LookFilter, LookLog, What, kinds_of_looks
from slurmlens.hub.access.tokens import LoginTokens
from slurmlens.hub.access.viewer import EVERYBODY, Role, Viewer
from slurmlens.hub.audit.comparing import compare_day
from slurmlens.hub.audit.keeping import AuditStore, kind_of_audits
from slurmlens.hub.campaigns.keeping import Campaigns
from slurmlens.hub.controller_hooks.keeping import ControllerEventStore, kind_of_controller_events
from slurmlens.hub.controller_hooks.read import ControllerQueries
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.retention import Retention
from slurmlens.hub.findings.claims import ClosedWhy, FindingKind, Word
from slurmlens.hub.findings.facts import FindingFilter
from slurmlens.hub.findings.reading import RecentRuns
from slurmlens.hub.findings.retention import kinds_of_findings
from slurmlens.hub.history.conclude.run_rows import Section
from slurmlens.hub.history.facts import JobFilter, ListPlace, StateFilter
from slurmlens.hub.history.read.earlier_runs import EarlierRuns
from slurmlens.hub.history.record.concluding import WIDE_SIGHTINGS, JobKey, mark_uncharged
from slurmlens.hub.history.record.packing import PIECES_AT_ONCE, Packer
from slurmlens.hub.history.record.recent_profiles import RecentProfiles
from slurmlens.hub.history.retention import kinds_of_history
from slurmlens.hub.inventory.entities import EntityKind
from slurmlens.hub.inventory.read.queries import InventoryQueries
from slurmlens.hub.inventory.recording import InventoryRecorder
from slurmlens.hub.inventory.retention import kinds_of_inventory
from slurmlens.hub.investigations.beginning import begin as begin_investigation
from slurmlens.hub.investigations.facts import noted
from slurmlens.hub.investigations.keeping import InvestigationStore, kind_of_investigations
from slurmlens.hub.logs.enriching import Enricher
from slurmlens.hub.mail.message import Mail
from slurmlens.hub.mail.queue import MailQueue, MailState
from slurmlens.hub.node_states.retention import kinds_of_node_states
from slurmlens.hub.notices import job_wishes
from slurmlens.hub.notices.facts import NewNotice, NoticeChannel, NoticeKind, Wish
from slurmlens.hub.notices.job_wishes import JobWishStore, kind_of_job_wishes
from slurmlens.hub.notices.keeping import NoticeStore
from slurmlens.hub.progress import tables as progress_tables
from slurmlens.hub.progress.retention import kinds_of_progress
from slurmlens.hub.usage.facts import UsageFilter, UsageWindow
from slurmlens.hub.usage.keeping import UsageKeeper
from slurmlens.hub.usage.node_keeping import NodeTimeKeeper
from slurmlens.hub.usage.read import UsageQueries
from slurmlens.hub.workflows.due import failed_tickets
from slurmlens.hub.workflows.store import TriggerStore
from slurmlens.hub.workflows.trigger import TriggerState
from slurmlens.log_lines import LogLine
from slurmlens.slurm.associations import AccountPerson
from slurmlens.slurm.job_ids import JobReference
from slurmlens.slurm.records import JobState, NodeRecord
from slurmlens.wire.controller_hook import ControllerEvent, ControllerRole
from testkit.campaign_views import told_campaign
from testkit.findings import failing_node_claim, finding_room
from testkit.hub_history import History, packed_request_of, record
from testkit.hub_scene_nodes import ALICE, NODES, OTHERS, OWN_JOB, nodes_tell_how_they_fare, nodes_tell_their_software
from testkit.inventories import entity, fact, relation, telling
from testkit.told_events import Told, at_ns

FILTERS = (
    JobFilter(),
    JobFilter(user="user0"),
    JobFilter(user="user300"),
    JobFilter(user="nobody"),
    JobFilter(account="account3"),
    JobFilter(partition="long"),
    JobFilter(node=node_name(5)),
    JobFilter(state=StateFilter.FAILED),
    JobFilter(state=StateFilter.RUNNING),
    JobFilter(state=JobState.NODE_FAIL),
    JobFilter(state=JobState.COMPLETED),
    JobFilter(user="user0", state=StateFilter.FAILED),
    JobFilter(account="account3", partition="long"),
    JobFilter(node=node_name(5), user="user0"),
)
USAGE = tuple(
    f"usage/{module}.py"
    for module in (
        "gpu_use",
        "keeping",
        "node_keeping",
        "on_nodes",
        "outages",
        "spans",
        "read",
        "started",
        "started_keeping",
        "waits",
    )
)
"""All but `rebuild`, which goes through whole tables as its module says."""
ROOMS = (
    "access",
    "audit",
    "campaigns",
    "controller_hooks",
    "findings",
    "history",
    "inventory",
    "investigations",
    "logs/enriching.py",
    "node_states",
    "notices",
    "progress",
    "scheduler",
    "workflows",
    *USAGE,
)
TELLINGS = 10
FINDINGS = 300
CAMPAIGNS = 600
TRIGGERS = 3_000
AT_A_LOOK = 20
"""Runs that fail between two looks of the hub; with more of them a database reads a small table whole, and is right."""
NOTICES = 6_000
LOOKS = 8_000


LOOK_FILTERS = (
    LookFilter(),
    LookFilter(before=LOOKS // 2),
    LookFilter(who="user7"),
    LookFilter(owner="user5"),
    LookFilter(job_id=77),
)
AUDITOR = Viewer("eve", frozenset({Role.USER, Role.AUDITOR}))


async def play(history: History, mix: JobMix) -> None:
    """All of it; `mix` is what the history was made of."""
    await _nodes_tell(history)
    await _the_scheduler_tells(history)
    await _nobody_tells(history)
    await _people_ask(history, mix)
    await _access_is_proved(history)
    await nodes_tell_their_software(history)
    await _the_cluster_is_remembered(history, mix)
    await _jobs_tell_how_far_they_are(history)
    await nodes_tell_how_they_fare(history)
    await _lines_find_their_job(history, mix)
    await _usage_is_counted(history, mix)
    await _mail_is_queued(history)
    await _campaigns_are_told(history)
    await _workflows_are_started(history, mix)
    await _people_are_told(history)
    await _slurmctlds_hooks_tell(history)
    await _findings_are_kept(history, mix)
    await _people_investigate(history, mix)
    await _days_are_audited(history, mix)
    await history.store.keep_statistics()
    await _details_age(history)


async def _nodes_tell(history: History) -> None:
    one, other = Told(OWN_JOB, "n1"), Told(OWN_JOB, "n2")
    first = [one.start(1), other.start(1), one.points(1, 1.0)]
    await history.apply(first)
    await history.apply(first)  # nothing of it is new
    for piece in range(PIECES_AT_ONCE + 1):
        await history.hear(other.points(10 + 10 * piece, 1.0, 2.0))
    await history.hear(one.dropped(2, 5), one.summary(1, 3), other.end(4))
    wide = [Told(OWN_JOB + 1, f"n{number}") for number in range(WIDE_SIGHTINGS + 1)]
    await history.apply([told.start(1) for told in wide], at_ns(1))
    await history.apply([wide[0].summary(1, 3)], at_ns(1.05))
    await history.apply([Told(OWN_JOB + 5).summary(1, 3)])
    await history.applier.apply(packed_request_of([Told(OWN_JOB + 5, "n2").summary(1, 3)], at_ns(3)))
    started_anew = Packer(history.store, RecentProfiles(), history.news, history.reporter)
    assert (await started_anew.pack()).profiles
    await history.refresh()
    await history.hear(one.beat(20), other.beat(20))
    await history.beats.read_others(history.store)
    await history.beats.write(history.store)
    await history.applier.count_refusals({"foreign": 2}, at_ns(1))


async def _the_scheduler_tells(history: History) -> None:
    await history.learn(record(JobState.RUNNING, job_id=OWN_JOB), record(JobState.PENDING, job_id=OWN_JOB + 2))
    await history.learn(record(JobState.COMPLETED, job_id=OWN_JOB, end=4))
    await history.records.touch([OWN_JOB], at_ns(5))
    await history.records.take_nodes([NodeRecord(name="n1"), NodeRecord(name="n2")])
    await history.records.nodes()
    keys = [key for key in await history.records.open_executions() if key.job_id >= OWN_JOB]
    await history.records.forget(keys, at_ns(6))


async def _nobody_tells(history: History) -> None:
    """A node comes back after its jobs were closed; a run is ended by its nodes while the scheduler is silent."""
    lost = Told(OWN_JOB + 3, "n3")
    await history.hear(lost.start(1), lost.points(3, 1, 2))
    await history.hear(lost.beat(5))
    closed = await history.reconciler.reconcile(at_ns(3600), at_ns(3590))
    assert closed.closed
    await history.hear(lost.beat(3700, lost.sighting))
    ended = Told(OWN_JOB + 4, "n4")
    await history.learn(record(JobState.RUNNING, job_id=OWN_JOB + 4, nodes=("n4",)))
    await history.hear(ended.start(1), ended.summary(1, 3))
    history.clock.advance(7200)
    assert await history.unconfirmed.end(at_ns(7200), at_ns(0))


async def _people_ask(history: History, mix: JobMix) -> None:
    middle = (mix.now_s - mix.jobs * 43_200 // mix.jobs_a_day) * 10**9
    places = (None, ListPlace(Section.RUNNING.value, middle, 5), ListPlace(Section.OVER.value, middle, 5))
    for viewer, which, after in itertools.product((EVERYBODY, ALICE), FILTERS, places):
        await history.queries.jobs(viewer, msgspec.structs.replace(which, after=after))
    for job_id in {OWN_JOB, OWN_JOB + 1, mix.first_job_id, _widest(mix), _requeued(mix)}:
        await history.facts(job_id)
        await history.queries.job_facts(ALICE, job_id)
        facts = await history.queries.job_facts(EVERYBODY, job_id)
        for viewer in (EVERYBODY, ALICE):
            if facts is not None:
                await EarlierRuns(history.store, "demo").of_job(viewer, facts)
        await history.queries.job_events(EVERYBODY, job_id)
        await history.queries.job_events(EVERYBODY, job_id, 1)
    task = next(job.runs[0].record for job in jobs_of(mix) if job.runs[0].record.array_job_id is not None)
    assert task.array_job_id is not None
    reference = JobReference(task.array_job_id, task.array_task_id)
    assert await history.queries.own_job_id(EVERYBODY, reference) == task.job_id
    await history.queries.own_job_id(EVERYBODY, JobReference(OWN_JOB, het_job_offset=1))
    await history.queries.status(EVERYBODY)


async def _the_cluster_is_remembered(history: History, mix: JobMix) -> None:
    """Nodes change their state again and again, and partitions their nodes."""
    recorder = InventoryRecorder(history.store, "demo")
    for turn in range(TELLINGS):
        nodes = [fact(f"node {node_name(number)}", "exists", True) for number in range(NODES)]
        states = [fact(f"node {node_name(number)}", "state", f"S{turn}") for number in range(NODES)]
        partition = f"partition p{turn % 2}"
        contained = [relation(partition, "contains", f"node {node_name(number)}") for number in range(NODES)]
        await recorder.take(telling(at_ns(turn), *nodes, *states, *contained))
    queries = InventoryQueries(history.store, "demo")
    for viewer in (EVERYBODY, ALICE):
        await queries.entity(viewer, entity("node n0005"), at_ns(TELLINGS), at_ns(TELLINGS - 2))
        await queries.kind(viewer, EntityKind.NODE, ("state",), at_ns(TELLINGS))
        span = at_ns(1), at_ns(TELLINGS)
        await queries.changes(viewer, EntityKind.NODE, [node_name(5), node_name(6)], ("state", "reason"), span)
        await queries.neighbourhood(viewer, entity("node n0005"), 2, at_ns(TELLINGS))
        await queries.blast_radius(viewer, entity("partition p1"), at_ns(TELLINGS))
        await queries.memberships(viewer, "p1", "user7", [node_name(5)], at_ns(1), at_ns(TELLINGS))
        await queries.began_ns(viewer, str(OWN_JOB))
        await queries.running_on(viewer, [node_name(5)], at_ns(1), 100)
        await queries.common_cause(viewer, (mix.now_s - 3_600) * 10**9, mix.now_s * 10**9)


async def _jobs_tell_how_far_they_are(history: History) -> None:
    told = Told(OWN_JOB + 6)
    start = told.start(1)
    when = {"time_ns": at_ns(5), "boot_id": start.boot_id, "boottime_ns": 5, "cluster": start.cluster}
    whose = {"node": start.node, "sighting": start.sighting, "job_id": start.job.job_id}
    task = TaskProgress(step="0", rank=0, time_ns=at_ns(5), done=1.0, total=100.0, values={})
    for number in range(2):
        progress = JobProgress(id=f"p{number}", tasks=(task,), **when, **whose)
        await history.hear(start, progress, JobMessage(id=f"m{number}", step="0", text="here", **when, **whose))
    await history.store.write(_progress_of_others)
    for viewer in (EVERYBODY, ALICE):
        await history.progress.of_job(viewer, start.job.job_id, 1)
        await history.progress.of_runs(viewer, {(start.job.job_id, 1)})


async def _lines_find_their_job(history: History, mix: JobMix) -> None:
    trouble = {"time_ns": (mix.now_s - 3_600) * 10**9, "kind": "oom-kill"}
    lines = [
        LogLine(id="a", node=node_name(5), message="m", **trouble),
        LogLine(id="b", node="n1", message="m", time_ns=1, job_id=mix.first_job_id),
    ]
    await Enricher(history.store, "demo", history.news).enriched(lines)


async def _usage_is_counted(history: History, mix: JobMix) -> None:
    """Every job is charged, an hour of the nodes closed; then people ask about two hours and a part of one."""
    keeper = UsageKeeper(history.store, "demo", history.news, history.clock)
    keys = [JobKey("demo", job_id) for job_id in range(mix.first_job_id, mix.first_job_id + mix.jobs)]
    await history.store.write(lambda transaction: mark_uncharged(transaction, keys, at_ns(0)))
    await keeper.step(most=20)  # few of very many, as while jobs end
    while (await keeper.step()).jobs:
        pass
    nodes = NodeTimeKeeper(history.store, "demo", history.clock)
    await nodes.close_hours()
    for _ in range(3):
        await nodes.step()
    queries = UsageQueries(history.store, "demo")
    from_s = mix.now_s - 7_300
    window = UsageWindow(from_s, from_s + 7_250)
    told_s = at_ns(TELLINGS) // 10**9
    lately, long_ago = UsageWindow(told_s, told_s + 60), UsageWindow(mix.now_s - 30 * 86_400, mix.now_s - 27 * 86_400)
    filters = (UsageFilter(), UsageFilter(account="account3"), UsageFilter(job_type="job-#"))
    for viewer, which in itertools.product((EVERYBODY, ALICE), filters):
        await queries.usage(viewer, window, mix.now_s, which)
        await queries.usage_of_pieces(viewer, (window,), mix.now_s, which)
        await queries.nodes(viewer, window, mix.now_s)
        await queries.daily_utilisation(viewer, window)
        await queries.hourly_utilisation(viewer, window)
        await queries.typed_runs(viewer, window)
        await queries.daily_waits(viewer, window, which)
        await queries.waits(viewer, window, ("partition", "user"), which)
        await queries.outages(viewer, lately, ("slurm",))
        await queries.started(viewer, window, which)
        await queries.job_types(viewer, window, which)
    await queries.usage(EVERYBODY, long_ago, mix.now_s)
    await queries.started(EVERYBODY, long_ago)
    await queries.waits(EVERYBODY, long_ago)
    await queries.daily_waits(EVERYBODY, long_ago)


async def _campaigns_are_told(history: History) -> None:
    campaigns = Campaigns(history.store, "demo", history.news, history.clock)
    for number in range(CAMPAIGNS):
        history.clock.advance(1)
        await campaigns.take(f"user{number % 9}", told_campaign(f"c{number}", jobs=(number + 1,)))
    for viewer in (EVERYBODY, ALICE):
        await campaigns.listed(viewer)
        await campaigns.campaign(viewer, "user7", "c7")


async def _findings_are_kept(history: History, mix: JobMix) -> None:
    """Many findings of many kinds, most of them over; somebody judges one."""
    room = finding_room(history)
    for number in range(FINDINGS):
        claim = failing_node_claim(node_name(number), jobs=(mix.first_job_id + number,), to_ns=history.clock.wall_ns())
        (finding,) = await room.take([claim])
        await room.take([], [(finding, ClosedWhy.VERIFIED)])
    problem = msgspec.structs.replace(claim, kind=FindingKind.KNOWN_PROBLEM, detail="failing", subject=entity("node x"))
    standing = await room.take([problem])
    for viewer in (EVERYBODY, ALICE):
        await room.listed(viewer, FindingFilter())
        await room.listed(viewer, FindingFilter(is_over=True))
        await room.of_job(viewer, mix.first_job_id, 1)
        await room.of_entity(viewer, entity(f"node {node_name(3)}"))
        await room.one(viewer, standing[0].number)
        await room.words(viewer, 100)
    told = await room.say(EVERYBODY, standing[0].number, Word.DISMISS)
    assert told is not None
    await room.undo(EVERYBODY, standing[0].number, told.words[0].number)
    await finding_room(history).ledger()
    await RecentRuns(history.store, "demo").ended(EVERYBODY, mix.now_s * 10**9)


async def _days_are_audited(history: History, mix: JobMix) -> None:
    store, day_s = AuditStore(history.store, "demo"), mix.now_s // 86_400 * 86_400
    for number in range(TELLINGS):
        await store.keep(compare_day(day_s - number * 86_400, history.clock.wall_ns(), [], []))
    await store.days(EVERYBODY)
    await store.day(EVERYBODY, day_s)
    await store.runs(EVERYBODY, {mix.first_job_id, mix.first_job_id + 1}, day_s - 86_400)


async def _people_investigate(history: History, mix: JobMix) -> None:
    """Many investigations of many people; one of each kind of question is asked."""
    store, reads = InvestigationStore(history.store, "demo"), InventoryQueries(history.store, "demo")
    window = (mix.now_s - 86_400) * 10**9, mix.now_s * 10**9
    for number in range(OTHERS // 10):
        begun = begin_investigation(
            f"user{number % 99}", history.clock.wall_ns() + number, "why", window, [entity("node n1")]
        )
        await store.keep(EVERYBODY, msgspec.structs.replace(begun, is_shared=number % 3 == 0))
    for viewer in (EVERYBODY, ALICE):
        await store.listed(viewer)
        await store.one(viewer, 8)
        await store.change(viewer, 8, lambda one: noted(one, "operator", one.changed_ns, "seen"))
        for about in (f"job {mix.first_job_id}", f"node {node_name(3)}", "user user7", "account account3"):
            await reads.runs(viewer, entity(about), (window[1] - 10**12, window[1]), 500)
        await reads.runs(viewer, None, (window[1] - 10**12, window[1]), 500, failed=True)


async def _people_are_told(history: History) -> None:
    store, now_ns = NoticeStore(history.store, "demo"), history.clock.wall_ns()
    for number in range(0, NOTICES, 100):
        made = [_notice(number + one) for one in range(100)]
        await store.add(made, now_ns - (NOTICES - number) * NS_PER_S, 100)
    for number in range(OTHERS // 10):
        await store.wish(Wish(f"user{number}", NoticeChannel.MAIL, "a@example.org", frozenset(NoticeKind), now_ns))
    for viewer in (EVERYBODY, ALICE):
        await store.wishes(viewer)
        await store.due(viewer, now_ns)
        await store.made_lately(viewer, "user7", now_ns)
    await store.never_made([_notice(1), _notice(NOTICES + 1)])
    first, second = (await store.due(EVERYBODY, now_ns))[:2]
    await store.settle(first, "sent")
    await store.try_again(second, now_ns + NS_PER_S, "away")
    await store.forget("user7", NoticeChannel.MAIL)


async def _slurmctlds_hooks_tell(history: History) -> None:
    """Hooks of slurmctld, and jobs that ask for notices themselves."""
    kept, time_ns = ControllerEventStore(history.store, "demo"), at_ns(1)
    for begin in range(0, OTHERS, 100):
        jobs = [JobIdentity(job_id=OWN_JOB + 1000 + begin + number) for number in range(100)]
        await kept.keep(
            [ControllerEvent(f"c{job.job_id}", ControllerRole.EPILOG, time_ns + begin, "demo", job) for job in jobs]
        )
    told = Told(OWN_JOB + 50, "n9")
    when = {"time_ns": time_ns, "boot_id": "b", "boottime_ns": 1, "cluster": "demo", "node": "n9"}
    await history.hear(
        told.start(1),
        JobMessage(id="w", sighting=told.sighting, job_id=told.job_id, step="0", text="x", notify="failed", **when),
    )
    await history.learn(record(JobState.RUNNING, job_id=told.job_id))
    await history.store.write(
        lambda transaction: (
            transaction.insert_new(
                job_wishes.job_wishes,
                ("cluster", "node", "sighting", "id", "job_id", "told_ns", "words"),
                [("demo", f"m{number}", "s", "i", number, time_ns - number, "failed") for number in range(OTHERS)],
            )
            and None
        )
    )
    wishes = JobWishStore(history.store, "demo")
    for viewer in (EVERYBODY, ALICE):
        await ControllerQueries(history.store, "demo").of_run(viewer, OWN_JOB + 1000, 1, 0, None)
        await wishes.open(viewer)
    await wishes.done_with(await wishes.open(EVERYBODY))


def _notice(number: int) -> NewNotice:
    return NewNotice(
        user=f"user{number % 9}",
        channel=NoticeChannel.MAIL,
        address="a@example.org",
        kind=NoticeKind.FAILED,
        job_id=number,
        run=1,
        subject="it failed",
        text="it failed",
    )


async def _workflows_are_started(history: History, mix: JobMix) -> None:
    store = TriggerStore(history.store, "demo")
    await store.since_ns("failed-job", 1)
    await store.mark("failed-job", 2)
    until_ns = mix.now_s * 10**9
    failed = await store.failed_runs(until_ns - 86_400 * 10**9)
    await store.ended_runs(until_ns - 3_600 * 10**9, until_ns)
    await store.runs_of([mix.first_job_id, OWN_JOB])
    tickets = failed_tickets(failed[:AT_A_LOOK], "demo", WorkflowsConfig())
    for turn in range(0, TRIGGERS, len(tickets)):
        told = [msgspec.structs.replace(one, key=f"{turn} {one.key}") for one in tickets]
        await store.make(told, until_ns - turn * 60 * 10**9, TRIGGERS - 9)
    (first, *_) = await store.due(until_ns, 5)
    assert await store.change(first, msgspec.structs.replace(first, state=TriggerState.INVOKED, invocation="i"))
    await store.under_way()
    for viewer in (EVERYBODY, ALICE):
        await store.of_run(viewer, first.ticket.job_id, first.ticket.run)
        await store.latest(viewer)


async def _mail_is_queued(history: History) -> None:
    queue = MailQueue(history.store, history.clock)
    await queue.put("scene", Mail(to="a@b.c", subject="x", text="x"))
    queued = await queue.claim()
    assert queued is not None
    await queue.give_up_doubtful()
    await queue.settle(queued, MailState.SENT)
    await queue.states()


def _progress_of_others(transaction: Transaction) -> None:
    """As long a past as history has."""
    for table in (progress_tables.progress_tasks, progress_tables.progress_messages):
        columns = tuple(column.name for column in table.columns)
        rows = []
        for number in range(OTHERS):
            whose = {"cluster": "demo", "node": "n1", "sighting": f"s{number}", "step": "0", "rank": 0, "id": "m"}
            told = {"job_id": number + 1, "told_ns": at_ns(number), "time_ns": at_ns(number), "text": "here"}
            row = whose | told | {"named_values": b"{}", "course": b""}
            rows.append(tuple(row[name] for name in columns))
        transaction.insert_new(table, columns, rows)


async def _details_age(history: History) -> None:
    history.clock.advance(5_000 * 86_400)
    kinds = [
        *kinds_of_history(RetentionConfig()),
        *kinds_of_findings(180),
        kind_of_investigations(180),
        kind_of_audits(180),
        *kinds_of_progress(90),
        *kinds_of_looks(90),
        *kinds_of_node_states(90),
        kind_of_job_wishes(90),
        kind_of_controller_events(90),
        *kinds_of_inventory(90),
    ]
    retention = Retention(history.store, kinds, history.clock)
    await retention.load()
    for _ in range(3):
        assert await retention.turn()
    assert all(aged.last_ns for aged in retention.told())


async def _access_is_proved(history: History) -> None:
    people = AccountPeople(history.store, "demo")
    await people.replace([AccountPerson("user7", "account3", is_coordinator=True)])
    await people.of("user7")
    tokens = LoginTokens(history.store, AccessConfig(), history.clock)
    session = await tokens.use_link(await tokens.make_link("user7"))
    assert session is not None
    await tokens.user_of_session(session)
    await tokens.end_session(session)
    looks = LookLog(history.store, "demo", history.clock, history.reporter)
    for number in range(LOOKS):
        looks.saw_job(ALICE, What.PAGE, number + 1, 1, f"user{number % 300}")
    await looks.write()
    for viewer, which in itertools.product((AUDITOR, ALICE), LOOK_FILTERS):
        await looks.looks(viewer, which)


def _widest(mix: JobMix) -> int:
    some = itertools.islice(jobs_of(mix), 2_000)
    return max(some, key=lambda job: max(len(run.nodes) for run in job.runs)).job_id


def _requeued(mix: JobMix) -> int:
    some = itertools.islice(jobs_of(mix), 2_000)
    return max(some, key=lambda job: len(job.runs)).job_id
