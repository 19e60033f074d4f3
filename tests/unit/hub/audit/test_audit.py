"""Our figures against accounting's: every difference has a cause, what has none is said, each day is audited once."""

from __future__ import annotations

import datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.clock import NS_PER_S
from slurmlens.errors import SourceError
from slurmlens.hub.access.viewer import EVERYBODY, Role, Viewer
from slurmlens.hub.audit.comparing import compare, compare_day
from slurmlens.hub.audit.facts import AuditCause, AuditFigure, MeasuredUse
from slurmlens.hub.audit.keeping import DAY_S, AuditStore
from slurmlens.hub.audit.stage import AFTER_S, AGAIN_S, Auditor
from slurmlens.hub.views.audit.build import audit_csv, build_audit_view, render_audit
from slurmlens.shown.terminal import Sheet
from slurmlens.slurm.accounted_use import AccountedUse
from slurmlens.slurm.records import Decoded, JobState
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.hub_history import History, record
from testkit.manual_clock import ManualClock
from testkit.told_events import BEGIN_S, Told, at_ns

OURS = MeasuredUse(
    job_id=7,
    run=1,
    submit_s=90,
    state=JobState.COMPLETED,
    start_ns=100 * NS_PER_S,
    end_ns=200 * NS_PER_S,
    cpu_s=50.0,
    memory_peak_bytes=1e9,
)
THEIRS = AccountedUse(
    job_id=7,
    submit_s=90,
    state=JobState.COMPLETED,
    start_s=100,
    end_s=200,
    cpu_s=50.3,
    peak_task_bytes=990_000_000,
    tasks=1,
    steps=2,
)
C, F = AuditCause, AuditFigure


@pytest.mark.parametrize(
    ("ours", "theirs", "figure", "cause"),
    [
        ({}, {}, F.CPU, C.AGREES),
        ({"cpu_s": 60.0}, {}, F.CPU, C.NOT_WAITED_FOR),
        ({"cpu_s": 40.0}, {}, F.CPU, C.UNEXPLAINED),
        ({"cpu_s": 40.0, "is_whole": False}, {}, F.CPU, C.UNSEEN_PART),
        ({"cpu_s": None}, {}, F.CPU, C.NOT_MEASURED),
        ({}, {"cpu_s": None}, F.CPU, C.NOT_GATHERED),
        ({"cpu_s": 0.30}, {"cpu_s": 0.25}, F.CPU, C.AGREES),
        ({}, {}, F.MEMORY, C.AGREES),
        ({"memory_peak_bytes": 3e9}, {}, F.MEMORY, C.SAMPLED_PEAK),
        ({"memory_peak_bytes": 3e9}, {"tasks": 4}, F.MEMORY, C.TASK_NOT_JOB),
        ({"memory_peak_bytes": 5e8}, {}, F.MEMORY, C.SHARED_PAGES),
        ({"memory_peak_bytes": 5e8, "is_whole": False}, {}, F.MEMORY, C.UNSEEN_PART),
        ({}, {}, F.BEGIN, C.AGREES),
        ({"start_ns": round(100.4 * NS_PER_S)}, {}, F.BEGIN, C.WHOLE_SECONDS),
        ({"start_ns": 130 * NS_PER_S}, {}, F.BEGIN, C.PROLOG),
        ({"start_ns": 90 * NS_PER_S}, {}, F.BEGIN, C.UNEXPLAINED),
        ({"start_ns": 900 * NS_PER_S, "is_whole": False}, {}, F.BEGIN, C.UNSEEN_PART),
        ({"end_ns": 230 * NS_PER_S}, {}, F.END, C.CLEAN_UP),
        ({"end_ns": 150 * NS_PER_S}, {}, F.END, C.UNEXPLAINED),
        ({"end_ns": None}, {}, F.END, C.NOT_MEASURED),
        ({"state": JobState.RUNNING}, {}, F.STATE, C.LATER_WORD),
        ({"state": JobState.FAILED}, {}, F.STATE, C.UNEXPLAINED),
    ],
)
def test_a_difference_has_the_cause_that_explains_it_or_none(
    ours: dict[str, object], theirs: dict[str, object], figure: AuditFigure, cause: AuditCause
) -> None:
    job = compare(msgspec.structs.replace(OURS, **ours), msgspec.structs.replace(THEIRS, **theirs))
    assert {one.figure: one.cause for one in job.verdicts}[figure] is cause
    assert job.is_explained is (cause is not C.UNEXPLAINED)


@given(st.none() | st.floats(0, 1e9), st.none() | st.floats(0, 1e9), st.booleans())
def test_every_figure_gets_one_verdict_and_counts_add_up_to_the_jobs(
    ours_s: float | None, theirs_s: float | None, is_whole: bool
) -> None:
    ours = [msgspec.structs.replace(OURS, job_id=n, cpu_s=ours_s, is_whole=is_whole) for n in range(3)]
    theirs = [msgspec.structs.replace(THEIRS, job_id=n, cpu_s=theirs_s) for n in range(1, 4)]
    audit = compare_day(0, 1, ours, theirs)
    assert (audit.compared, audit.only_here, audit.only_there) == (2, (0,), (3,))
    for figure in AuditFigure:
        assert sum(one.jobs for one in audit.counts if one.figure is figure) == 2


# --- a day of a real history


class Accounting:
    """What sacct says, and whether it answers."""

    def __init__(self, *found: AccountedUse) -> None:
        self.found = found
        self.is_away = False
        self.asked: list[tuple[int, int]] = []

    async def used_between(self, from_s: int, to_s: int) -> Decoded[AccountedUse]:
        self.asked.append((from_s, to_s))
        if self.is_away:
            raise SourceError("slurmdbd is away")
        return Decoded(self.found, 0)


async def audited(history: History, accounting: Accounting) -> Auditor:
    counters = Reporter(Counters(), history.clock)
    store = AuditStore(history.store, "demo")
    return Auditor(store, accounting.used_between, history.queries.job_facts, history.clock, counters)


@pytest.fixture
async def history(tmp_path: Path):  # type: ignore[no-untyped-def]
    opened = await History.open(f"sqlite:///{tmp_path}/hub.sqlite3", ManualClock())
    one = Told(node="n1")
    await opened.hear(one.start(0.2))
    await opened.learn(record(JobState.COMPLETED, end=60, nodes=("n1",)))
    await opened.hear(one.end(59.5), one.summary(0.2, 59.5))
    yield opened
    await opened.close()


def told(**fields: object) -> AccountedUse:
    made = msgspec.structs.replace(THEIRS, submit_s=BEGIN_S - 3, start_s=BEGIN_S, end_s=BEGIN_S + 60)
    return msgspec.structs.replace(made, **fields)


async def test_yesterday_is_audited_once_two_hours_after_its_end_and_again_when_accounting_is_back(
    history: History,
) -> None:
    accounting = Accounting(told())
    auditor = await audited(history, accounting)
    day_s = BEGIN_S // DAY_S * DAY_S
    history.clock.advance(day_s + DAY_S + AFTER_S - history.clock.wall_ns() / NS_PER_S - 60)
    assert auditor.due_day_s() == day_s - DAY_S
    history.clock.advance(120)
    accounting.is_away = True
    assert await auditor.step() == AGAIN_S
    accounting.is_away = False
    for _ in range(3):
        await auditor.step()
    assert accounting.asked == [(day_s, day_s + DAY_S)] * 2
    (audit,) = await AuditStore(history.store, "demo").days(EVERYBODY)
    assert (audit.compared, audit.only_here, audit.only_there) == (1, (), ())


async def test_what_went_unseen_explains_less_and_is_learned_from_the_nodes(history: History) -> None:
    facts = await history.facts()
    assert facts.nodes[0].totals is not None
    accounting = Accounting(told(cpu_s=9_000.0), told(job_id=99))
    audit = await (await audited(history, accounting)).audit(BEGIN_S // DAY_S * DAY_S)
    assert audit.only_there == (99,)
    causes = {one.figure: one.cause for one in audit.jobs[0].verdicts}
    assert causes[F.CPU] in (C.UNEXPLAINED, C.UNSEEN_PART)
    assert (causes[F.CPU] is C.UNEXPLAINED) is facts.nodes[0].complete


async def test_only_who_sees_all_jobs_reads_an_audit(history: History) -> None:
    await (await audited(history, Accounting(told()))).audit(BEGIN_S // DAY_S * DAY_S)
    store = AuditStore(history.store, "demo")
    alice = Viewer("alice", frozenset({Role.USER}))
    assert await store.days(alice) == []
    assert await store.day(alice, BEGIN_S // DAY_S * DAY_S) is None


async def test_page_terminal_and_csv_say_the_same_and_begin_with_what_nobody_explains() -> None:
    ours = [OURS, msgspec.structs.replace(OURS, job_id=8, cpu_s=10.0, user="<b>")]
    theirs = [THEIRS, msgspec.structs.replace(THEIRS, job_id=8)]
    audit = compare_day(0, at_ns(0), ours, theirs)
    view = build_audit_view("demo", [audit], audit, at_ns(0))
    assert "1 figures are not" in view.sentence
    assert (view.jobs[0].job_id, view.jobs[0].is_explained) == (8, False)
    report = render_audit(view, Sheet(zone=datetime.UTC))
    assert "job 8: cpu 10.00 s here, 50.30 s there" in report
    assert max(map(len, report.splitlines())) <= Sheet(zone=datetime.UTC).columns
    assert "8,1,<b>,cpu,10.00 s,50.30 s,not explained" in audit_csv(view)
