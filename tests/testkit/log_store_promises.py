"""What every store of lines promises, as tests: a store's own test class derives from `LogStorePromises`.

It has the fixture `store`, an empty one that keeps three days beside `clock`'s today, and where a store finds lines
later than it keeps them, a `settle` that waits for that.
"""

from __future__ import annotations

import asyncio

import msgspec

from slurmlens.hub.access.viewer import EVERYBODY, Role, Viewer
from slurmlens.hub.logs.query import NOBODY, JobOwner, LogPlace, LogQuery, StoredLine
from slurmlens.hub.logs.store import Lines, LogReads, LogStore
from slurmlens.hub.logs.tail import fits
from slurmlens.hub.logs.words import terms_of
from slurmlens.log_lines import JobSource, LogLine
from testkit.manual_clock import ManualClock

S = 10**9
DAY_NS = 86_400 * S
MINUTE_NS = 60 * S
KEEP_DAYS = 3
AT_NS = ManualClock().wall_ns() // DAY_NS * DAY_NS + 8 * 3_600 * S
"""The morning of the clock's day."""
ALICE, BOB = Viewer("alice", frozenset({Role.USER})), Viewer("bob", frozenset({Role.USER}), frozenset({"project"}))
ALICES = JobOwner("alice", "project", "all")


def line(number: int, message: str = "hello", **fields: object) -> LogLine:
    return LogLine(id=f"l{number}", time_ns=AT_NS + number * S, node="n1", message=message, **fields)  # type: ignore[arg-type]


def at(number: int, time_ns: int, message: str | None = None, **fields: object) -> LogLine:
    return msgspec.structs.replace(line(number, message or f"m{number}", **fields), time_ns=time_ns)


async def messages(store: LogReads, viewer: Viewer = EVERYBODY, **query: object) -> list[str]:
    page = await store.search(viewer, LogQuery(**query))  # type: ignore[arg-type]
    return [stored.line.message for stored in page.lines]


class LogStorePromises:
    async def settle(self, store: LogStore) -> None:
        """Waits until what was kept is found."""

    async def keep(self, store: LogStore, lines: Lines) -> tuple[StoredLine, ...]:
        kept = await store.append(lines)
        assert not kept.refused
        await self.settle(store)
        return kept.new

    async def test_the_newest_stand_first_over_midnight_and_pages_go_on_where_one_ended(self, store: LogStore) -> None:
        await self.keep(store, [(at(n, AT_NS - DAY_NS + n * DAY_NS // 8), NOBODY) for n in range(20)])
        found, place = [], None
        for _ in range(10):
            page = await store.search(EVERYBODY, LogQuery(limit=3, after=place))
            found += [stored.line.message for stored in page.lines]
            if not page.has_more:
                break
            place = page.lines[-1].place
        assert found == [f"m{n}" for n in reversed(range(20))]

    async def test_lines_of_one_moment_stand_in_the_order_in_which_they_came_on_every_page(
        self, store: LogStore
    ) -> None:
        await self.keep(store, [(at(n, AT_NS), NOBODY) for n in range(5)])
        await self.keep(store, [(at(n, AT_NS), NOBODY) for n in range(5, 10)])
        first = await store.search(EVERYBODY, LogQuery(limit=4))
        second = await store.search(EVERYBODY, LogQuery(limit=10, after=first.lines[-1].place))
        found = [stored.line.message for stored in (*first.lines, *second.lines)]
        assert found == [f"m{n}" for n in reversed(range(10))]

    async def test_a_line_that_comes_again_is_one(self, store: LogStore) -> None:
        assert len(await self.keep(store, [(line(1), NOBODY), (line(1), NOBODY), (line(2), NOBODY)])) == 2
        assert await self.keep(store, [(line(1), NOBODY)]) == ()
        assert len(await messages(store)) == 2

    async def test_a_line_comes_back_as_it_was_kept(self, store: LogStore) -> None:
        whole = at(
            1, AT_NS + 123_456_789, 'a "b"\n\x1b[31mred \u202e\x00', program="app", pid=7, severity=3, facility=0
        )
        whole = msgspec.structs.replace(
            whole, unit="a.service", cgroup="/system.slice/x", user_id=0, source="journald", is_cut=True, repeats=4
        )
        whole = msgspec.structs.replace(
            whole, kind="oom_kill", job_id=13, array_job_id=10, array_task_id=3, step="batch", sluid="s1"
        )
        whole = msgspec.structs.replace(
            whole, job_source=JobSource.TEXT, contradiction="tag says job 4", fields={"signal": 9, "state": "x"}
        )
        await self.keep(store, [(whole, ALICES)])
        (stored,) = (await store.search(EVERYBODY, LogQuery())).lines
        assert (stored.line, stored.owner, stored.place.time_ns) == (whole, ALICES, whole.time_ns)

    async def test_a_line_of_64_kilobytes_and_one_without_words_are_kept(self, store: LogStore) -> None:
        await self.keep(store, [(line(1, "x" * 65_536), NOBODY), (line(2, "…"), NOBODY), (line(3, ""), NOBODY)])
        assert [len(message) for message in await messages(store)] == [0, 1, 65_536]

    async def test_every_condition_is_heeded_by_store_and_tail_alike(self, store: LogStore) -> None:
        lines = [
            (line(1, "disk full", program="app", job_id=7, severity=3), ALICES),
            (line(2, "Disk is_full again, /dev/sda-1", program="app", severity=6), NOBODY),
            (msgspec.structs.replace(line(3, "other disks", kind="oom_kill"), node="n2"), NOBODY),
        ]
        stored = await self.keep(store, lines)
        queries: list[dict[str, object]] = [
            {"job_id": 7}, {"node": "n2"}, {"program": "app"}, {"severity": 3}, {"kind": "oom_kill"}, {"user": "alice"},
            {"partition": "all"}, {"text": "DISK"}, {"text": "disk full"}, {"node": "n1", "text": "is_full"},
            {"text": "dis*"}, {"text": '"disk full"'}, {"text": '"full disk"'}, {"text": "sda-1"}, {"text": "dev sda"},
            {"text": '"disk is_f"*'}, {"text": "(AND *"}, {"kinds": frozenset({"oom_kill", "x"})}, {"text": "\\ : ~ /"},
        ]  # fmt: skip
        for query in queries:
            asked = LogQuery(**query)  # type: ignore[arg-type]
            terms = terms_of(asked.text or "")
            tailed = [one.line.message for one in stored if fits(EVERYBODY, asked, one, terms)]
            assert sorted(await messages(store, **query)) == sorted(tailed), query

    async def test_a_range_has_its_begin_and_not_its_end(self, store: LogStore) -> None:
        await self.keep(store, [(at(n, AT_NS + n), NOBODY) for n in range(5)])
        assert await messages(store, since_ns=AT_NS + 1, until_ns=AT_NS + 3) == ["m2", "m1"]

    async def test_a_user_sees_lines_of_own_jobs_and_no_other(self, store: LogStore) -> None:
        lines = [(line(1, "of alice", job_id=7), ALICES), (line(2, "of nobody"), NOBODY)]
        stored = await self.keep(store, [*lines, (line(3, "of carol", job_id=8), JobOwner("carol", "other", "all"))])
        for viewer, seen in ((ALICE, ["of alice"]), (BOB, ["of alice"]), (Viewer("x", frozenset()), [])):
            assert await messages(store, viewer) == seen
            assert await messages(store, viewer, text="of") == seen
            assert [one.line.message for one in stored if fits(viewer, LogQuery(), one, ())] == seen
            counted = await store.histogram(viewer, LogQuery(), AT_NS, DAY_NS)
            assert sum(slot.lines for slot in counted) == len(seen)
            around = await store.around(viewer, "n1", LogPlace(AT_NS + 2 * S, 2))
            assert [one.line.message for one in around.lines] == seen

    async def test_what_a_node_said_around_a_line_crosses_midnight(self, store: LogStore) -> None:
        midnight_ns = AT_NS // DAY_NS * DAY_NS
        await self.keep(store, [(at(n, midnight_ns + (n - 3) * S), NOBODY) for n in range(6)])
        around = await store.around(EVERYBODY, "n1", LogPlace(midnight_ns, 1), count=2)
        assert [one.line.message for one in around.lines] == ["m5", "m4", "m3", "m2"]

    async def test_a_histogram_counts_every_line_once_whatever_its_width(self, store: LogStore) -> None:
        lines = [at(n, AT_NS + n * 7 * S, severity=3 if n % 5 == 0 else 6) for n in range(100)]
        await self.keep(store, [(one, NOBODY) for one in lines])
        until_ns = AT_NS + 500 * S
        for query, width_s in ((LogQuery(), 10), (LogQuery(), 60), (LogQuery(until_ns=until_ns), 300)):
            width_ns = width_s * S
            slots = await store.histogram(EVERYBODY, query, AT_NS, width_ns)
            asked = [one for one in lines if one.time_ns < (query.until_ns or AT_NS * 2)]
            expected = {}
            for one in asked:
                begin_ns = AT_NS + (one.time_ns - AT_NS) // width_ns * width_ns
                count, errors = expected.get(begin_ns, (0, 0))
                expected[begin_ns] = (count + 1, errors + (one.severity == 3))
            assert {slot.begin_ns: (slot.lines, slot.errors) for slot in slots} == expected, (query, width_s)

    async def test_a_histogram_of_a_question_counts_what_fits(self, store: LogStore) -> None:
        await self.keep(store, [(line(n, program="a" if n % 4 else "b"), NOBODY) for n in range(60)])
        (slot,) = await store.histogram(EVERYBODY, LogQuery(program="b"), AT_NS, MINUTE_NS)
        assert slot.lines == 15

    async def test_a_line_whose_job_became_known_is_found_by_it(self, store: LogStore) -> None:
        first, second = await self.keep(
            store, [(line(1, "of 7", job_id=7), NOBODY), (line(2, "oom", kind="oom"), NOBODY)]
        )
        await self.keep(store, [(line(3, "other"), NOBODY)])
        assert [one.line.message for one in await store.unfinished(AT_NS, 10)] == ["of 7"]
        found = msgspec.structs.replace(second.line, job_id=7, job_source=JobSource.TIME)
        replace = msgspec.structs.replace
        await store.replace([replace(first, owner=ALICES), replace(second, line=found, owner=ALICES)])
        await self.settle(store)
        assert await messages(store, ALICE, job_id=7) == ["oom", "of 7"]
        assert await store.unfinished(AT_NS, 10) in ([], ())
        assert len(await messages(store)) == 3

    async def test_days_go_by_age_and_others_stay(self, store: LogStore) -> None:
        await self.keep(store, [(at(n, AT_NS - n * DAY_NS, f"d{n}"), NOBODY) for n in range(6)])
        assert len(await store.forget_old()) == 2
        assert await messages(store) == ["d0", "d1", "d2", "d3"]
        assert len(await store.forget_old()) == 0

    async def test_readers_and_writer_work_side_by_side(self, store: LogStore) -> None:
        async def write(begin: int) -> None:
            await store.append([(line(begin + n), NOBODY) for n in range(50)])

        await asyncio.gather(*(write(n * 50) for n in range(10)), *(messages(store, text="hello") for _ in range(10)))
        await self.settle(store)
        assert len(await messages(store, limit=1000)) == 500

    async def test_a_store_says_how_it_fares(self, store: LogStore) -> None:
        await self.keep(store, [(at(n, AT_NS - n * DAY_NS), NOBODY) for n in range(2)])
        health = await store.health()
        assert (health.state, health.problem, len(health.days)) == ("green", None, 2)
        assert all(day.size_bytes for day in health.days)
