"""What is kept of the runs that started gives the same as reading each of them, in any window and whoever asks."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection, Iterable
from pathlib import Path

import msgspec
import pytest
from bench.hub_load.job_mix import JobMix, jobs_of
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, select

from slurmlens.hub.access.viewer import EVERYBODY, Role, Viewer
from slurmlens.hub.usage import started_keeping
from slurmlens.hub.usage import tables as schema
from slurmlens.hub.usage.charges import DAY_S, HOUR_S, RunCharge
from slurmlens.hub.usage.facts import StartedRuns, UsageFilter, UsageWindow, WaitCount
from slurmlens.hub.usage.keeping import UsageKeeper, charge_of_row
from slurmlens.hub.usage.read import UsageQueries
from slurmlens.hub.usage.rebuild import rebuild_usage
from slurmlens.hub.usage.service_levels import quantile
from slurmlens.hub.usage.started_sums import rounded_wait_s
from slurmlens.hub.usage.windows import cut
from slurmlens.slurm.records import JobRecord, JobState
from testkit.charged_runs import charged
from testkit.database_versions import take_back_to
from testkit.hub_history import History, record
from testkit.manual_clock import ManualClock
from testkit.told_events import BEGIN_S
from testkit.usage_oracle import StartedSlowly, started_slowly

ALICE = Viewer("alice", frozenset({Role.USER}))
WINDOWS = (
    UsageWindow(BEGIN_S - 5_000, BEGIN_S + 5 * DAY_S),
    UsageWindow(BEGIN_S + 1_234, BEGIN_S + 3 * DAY_S + 777),
    UsageWindow(BEGIN_S // DAY_S * DAY_S, BEGIN_S // DAY_S * DAY_S + 2 * DAY_S),
    UsageWindow(BEGIN_S + 100, BEGIN_S + 101),
    UsageWindow(BEGIN_S // HOUR_S * HOUR_S, BEGIN_S // HOUR_S * HOUR_S + HOUR_S),
)
windows = st.builds(UsageWindow, st.integers(0, 10**6), st.integers(0, 10**6)).filter(lambda one: one.from_s < one.to_s)


class Kept:
    """A history of four days with usage beside it."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.keeper = UsageKeeper(history.store, "demo", history.news, history.clock)
        self.queries = UsageQueries(history.store, "demo")

    async def learn(self, *records: JobRecord) -> None:
        await self.history.learn(*records)
        await self.keep()

    async def keep(self) -> None:
        while (await self.keeper.step(most=37)).jobs:
            pass

    async def charges(self) -> list[RunCharge]:
        def question(connection: Connection) -> list[RunCharge]:
            return [charge_of_row(dict(row)) for row in connection.execute(select(schema.usage_runs)).mappings()]

        return await self.history.store.read(question)

    async def rows(self) -> dict[str, list[tuple[object, ...]]]:
        def question(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
            return {one.name: sorted(map(tuple, connection.execute(select(one)))) for one in schema.SUMS}

        return await self.history.store.read(question)


@pytest.fixture
async def kept(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Kept]:
    history = await History.open(f"sqlite:///{tmp_path}/hub.sqlite3", clock)
    clock.advance(6 * DAY_S)
    yield Kept(history)
    await history.close()


def some_jobs(count: int, seed: int = 4) -> list[JobRecord]:
    """Jobs of four days, of few users and kinds, so that rows are shared; a tenth goes on."""
    rng = random.Random(seed)
    found = []
    for job_id in range(1, count + 1):
        submit = rng.randrange(0, 4 * DAY_S)
        start = submit + int(rng.expovariate(1 / 900))
        is_open = rng.random() < 0.1
        told = record(
            JobState.RUNNING if is_open else rng.choice((JobState.COMPLETED, JobState.FAILED, JobState.TIMEOUT)),
            job_id=job_id,
            submit=submit,
            start=start,
            end=None if is_open else start + rng.choice((5, 59, 60, 4_000, 100_000)),
            cpu_count=rng.choice((1, 8, 64)),
            memory_bytes=2**33,
            account=rng.choice(("physics", "bio")),
            name=f"{rng.choice(('cfd', 'md'))}-{job_id}",
            qos=rng.choice(("normal", "high")),
            time_limit_s=rng.choice((None, 3_600)),
        )
        found.append(msgspec.structs.replace(told, user=rng.choice(("alice", "bob", "carol"))))
    return found


def assert_as_slowly(found: StartedRuns, slow: StartedSlowly) -> None:
    kinds = {(one.job_type, one.size_class): (one.runs, one.users, one.core_s, one.failed) for one in found.job_types}
    assert kinds == slow.kinds
    assert [one.user for one in found.habits] == sorted(slow.habits)
    for one in found.habits:
        sums = msgspec.structs.asdict(one)
        assert sums == {"user": one.user, **dict.fromkeys(schema.HABIT_SUMS, 0), **slow.habits[one.user]}
    assert {one.user: (one.from_s, one.runs) for one in found.bursts} == slow.bursts
    assert [one.runs for one in found.bursts] == sorted((one.runs for one in found.bursts), reverse=True)


def assert_waits_as_slowly(found: Collection[WaitCount], slow: dict[tuple[str, int], list[int]]) -> None:
    counts: defaultdict[tuple[str, int], dict[int, int]] = defaultdict(dict)
    for one in found:
        assert one.wait_s not in counts[one.name, one.size_class]
        counts[one.name, one.size_class][one.wait_s] = one.runs
    assert {place: sum(own.values()) for place, own in counts.items()} == {place: len(slow[place]) for place in slow}
    for place, own in counts.items():
        for share in (0.5, 0.95):
            exact = quantile(Counter(slow[place]), share)
            rounded = quantile(own, share)
            assert exact is not None
            assert rounded is not None
            assert abs(rounded - exact) <= exact / 32


@given(st.integers(0, 2**40), st.integers(0, 2**40))
def test_a_wait_is_rounded_by_one_part_in_32_at_most_and_never_out_of_order(one_s: int, other_s: int) -> None:
    for wait_s in (one_s, other_s):
        assert abs(rounded_wait_s(wait_s) - wait_s) <= wait_s / 32
        assert rounded_wait_s(rounded_wait_s(wait_s)) == rounded_wait_s(wait_s)
    low, high = sorted((one_s, other_s))
    assert rounded_wait_s(low) <= rounded_wait_s(high)


@given(windows)
def test_the_parts_of_a_window_are_all_of_it_and_each_second_once(window: UsageWindow) -> None:
    parts = cut(window)
    for span in parts.kept:
        assert span.window.from_s % span.width_s == span.window.to_s % span.width_s == 0
    assert all(edge.seconds < 2 * HOUR_S for edge in parts.edges)
    pieces = sorted((one.from_s, one.to_s) for one in (*(span.window for span in parts.kept), *parts.edges))
    assert [begin for begin, _ in pieces] == [window.from_s, *(end for _, end in pieces[:-1])]
    assert pieces[-1][1] == window.to_s


@pytest.mark.parametrize("window", WINDOWS)
async def test_any_window_is_what_its_runs_are_one_after_the_other_whoever_asks(
    kept: Kept, window: UsageWindow
) -> None:
    await kept.learn(*some_jobs(120))
    charges = await kept.charges()
    alices = [one for one in charges if one.key.user == "alice"]
    of_bio = [one for one in charges if one.key.account == "bio"]
    bio = UsageFilter(account="bio")
    for viewer, which, own in (
        (EVERYBODY, UsageFilter(), charges),
        (ALICE, UsageFilter(), alices),
        (EVERYBODY, bio, of_bio),
        (EVERYBODY, UsageFilter(job_type="cfd-#"), [one for one in charges if one.job_type == "cfd-#"]),
    ):
        slow = started_slowly(own, window)
        found = await kept.queries.started(viewer, window, which)
        assert_as_slowly(found, slow)
        assert await kept.queries.job_types(viewer, window, which) == found.job_types
        for name, counts in (
            await kept.queries.waits(viewer, window, ("partition", "user", "account", "qos"), which)
        ).items():
            assert_waits_as_slowly(counts, slow.waits[name])
        means = {one.day_s: one.value for one in await kept.queries.daily_waits(viewer, window, which)}
        by_day: defaultdict[int, list[int]] = defaultdict(list)
        for one in own:
            if window.from_s <= one.start_s < window.to_s:
                by_day[one.start_s // DAY_S * DAY_S].append(one.wait_s)
        assert means == {day_s: pytest.approx(sum(waits) / len(waits)) for day_s, waits in by_day.items()}


async def test_what_is_told_otherwise_later_leaves_nothing_behind(kept: Kept) -> None:
    """However often jobs are told, in any order and with other values: what is kept is what a rebuild makes."""
    first = some_jobs(60)
    await kept.learn(*first)
    ended = [
        msgspec.structs.replace(one, state=JobState.COMPLETED, end_s=(one.start_s or 0) + 4_000)
        if one.end_s is None
        else one
        for one in first
    ]
    moved = [
        msgspec.structs.replace(one, account="chemistry", start_s=(one.start_s or 0) + 3_000) for one in ended[::3]
    ]
    await kept.learn(*ended)
    await kept.learn(*moved)
    before = await kept.rows()
    assert all(before.values())
    await rebuild_usage(kept.history.store, "demo")
    assert not any((await kept.rows()).values())
    await kept.keep()
    assert await kept.rows() == before


async def test_a_rebuild_while_jobs_end_comes_to_the_same(kept: Kept) -> None:
    jobs = some_jobs(90)
    await kept.learn(*jobs[:50])
    await rebuild_usage(kept.history.store, "demo")
    await kept.keeper.step(most=20)
    await kept.history.learn(*jobs[40:])
    await kept.keeper.step(most=20)
    await rebuild_usage(kept.history.store, "demo")
    await kept.keeper.step(most=5)
    await kept.keep()
    assert_as_slowly(
        await kept.queries.started(EVERYBODY, WINDOWS[0]), started_slowly(await kept.charges(), WINDOWS[0])
    )
    assert len(await kept.charges()) == 90


async def test_a_step_that_is_cut_off_in_its_midst_leaves_all_as_it_was_and_is_done_again(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    await kept.learn(*some_jobs(40))
    before = await kept.rows()
    await kept.history.learn(*some_jobs(60, seed=5))

    class Cut(Exception):
        """The hub dies here."""

    done = []

    def dies(table: object, kept_rows: object) -> object:
        done.append(table)
        if len(done) == 3:  # after two tables of sums were written
            raise Cut
        return changes(table, kept_rows)

    changes = started_keeping.started_changes
    with monkeypatch.context() as patched:
        patched.setattr(started_keeping, "started_changes", dies)
        with pytest.raises(Cut):
            await kept.keeper.step()
    assert await kept.rows() == before
    await kept.keep()
    assert_as_slowly(
        await kept.queries.started(EVERYBODY, WINDOWS[0]), started_slowly(await kept.charges(), WINDOWS[0])
    )
    assert len(await kept.charges()) == 100  # ids came again: of 40 jobs two executions


async def test_two_clusters_in_one_database_have_each_its_own(kept: Kept) -> None:
    await kept.learn(*some_jobs(30))
    before = await kept.rows()
    other = UsageQueries(kept.history.store, "elsewhere")
    assert (await other.started(EVERYBODY, WINDOWS[0])).habits == ()
    assert (await other.waits(EVERYBODY, WINDOWS[0]))["partition"] == []
    await rebuild_usage(kept.history.store, "elsewhere")
    assert await kept.rows() == before


async def test_a_database_of_before_has_the_sums_after_the_upgrade(tmp_path: Path, clock: ManualClock) -> None:
    url = f"sqlite:///{tmp_path}/hub.sqlite3"
    clock.advance(6 * DAY_S)
    kept = Kept(await History.open(url, clock))
    await kept.learn(*some_jobs(150))
    before = await kept.rows()
    await kept.history.close()
    engine = create_engine(url)
    with engine.begin() as connection:
        take_back_to(connection, 34)
    engine.dispose()
    upgraded = Kept(await History.open(url, clock))
    assert await upgraded.rows() == before
    assert (await upgraded.keeper.step()).jobs == 0
    await upgraded.history.close()


@pytest.mark.slow
@settings(max_examples=1, deadline=None)
@given(st.integers(0, 2**32))
def test_of_a_hundred_thousand_jobs_the_days_and_hours_add_up_to_what_they_are_one_after_the_other(seed: int) -> None:
    mix = JobMix(100_000, seed=seed)
    runs = [one for job in jobs_of(mix) for run in job.runs if (one := charged(run.record)) is not None]
    window = UsageWindow(mix.now_s // HOUR_S * HOUR_S - 4 * DAY_S, mix.now_s // HOUR_S * HOUR_S)
    slow = started_slowly(runs, window)
    sums = {
        kept.rows.table.name: started_keeping.started_changes(kept, [(None, run) for run in runs])
        for kept in started_keeping.KEPT
    }
    spans = [(span.width_s, span.window) for span in cut(window).kept]

    def within(table: str) -> Iterable[tuple[tuple[object, ...], tuple[int, ...]]]:
        for (width_s, begin_s, *key), values in sums[table].items():
            if any(width_s == width and one.from_s <= begin_s < one.to_s for width, one in spans):
                yield tuple(key), values

    habits: defaultdict[object, Counter[str]] = defaultdict(Counter)
    for (user,), values in within("usage_habits"):
        habits[user].update(dict(zip(schema.HABIT_SUMS, values, strict=True)))
    assert habits == slow.habits
    slots: Counter[tuple[object, ...]] = Counter()
    for key, (count,) in within("usage_bursts"):
        slots[key] += count
    most: dict[object, int] = {}
    for (user, _), count in slots.items():
        most[user] = max(most.get(user, 0), count)
    assert most == {user: count for user, (_, count) in slow.bursts.items()}
    waits: Counter[tuple[object, ...]] = Counter()
    for key, (count, _) in within("usage_waits"):
        waits[key] += count
    own = [
        WaitCount(name, size, wait_s, count)
        for (dimension, name, size, wait_s), count in waits.items()
        if dimension == "user"
    ]
    assert_waits_as_slowly(own, slow.waits["user"])
    kinds: defaultdict[tuple[object, object], list[int]] = defaultdict(lambda: [0, 0, 0])
    for (job_type, size_class, _), values in within("usage_job_types"):
        kinds[job_type, size_class] = [a + b for a, b in zip(kinds[job_type, size_class], values, strict=True)]
    assert kinds == {kind: [runs, core_s, failed] for kind, (runs, _, core_s, failed) in slow.kinds.items()}
