"""What tellings leave in the database: spans that begin, stay and end, and never overlap."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slurmlens.hub.database.retention import Retention
from slurmlens.hub.database.store import Store
from slurmlens.hub.inventory.entities import FOREVER, Telling
from slurmlens.hub.inventory.recording import InventoryRecorder, Recorded
from slurmlens.hub.inventory.retention import DAY_S, kinds_of_inventory
from testkit.inventories import entity, fact, fact_rows, relation, relation_rows, telling
from testkit.manual_clock import ManualClock


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    opened = await Store.open(database_url)
    yield opened
    await opened.close()


@pytest.fixture
def recorder(store: Store) -> InventoryRecorder:
    return InventoryRecorder(store, "demo")


async def test_a_fact_that_is_told_again_writes_nothing(store: Store, recorder: InventoryRecorder) -> None:
    assert await recorder.take(telling(10, fact("node n1", "state", "IDLE"))) == Recorded(1, 0)
    assert await recorder.take(telling(20, fact("node n1", "state", "IDLE"))) == Recorded(0, 0)
    assert await fact_rows(store) == [("n1", "state", '"IDLE"', 10, FOREVER)]


async def test_a_fact_that_changes_ends_where_the_next_begins(store: Store, recorder: InventoryRecorder) -> None:
    await recorder.take(telling(10, fact("node n1", "state", "IDLE"), fact("node n1", "cpu_count", 4)))
    assert await recorder.take(telling(20, fact("node n1", "state", "DOWN"), fact("node n1", "cpu_count", 4))) == (
        Recorded(1, 1)
    )
    assert await fact_rows(store) == [
        ("n1", "cpu_count", "4", 10, FOREVER),
        ("n1", "state", '"DOWN"', 20, FOREVER),
        ("n1", "state", '"IDLE"', 10, 20),
    ]


async def test_what_is_no_longer_told_ends_and_may_begin_again(store: Store, recorder: InventoryRecorder) -> None:
    told = fact("node n1", "exists", True), relation("partition all", "contains", "node n1")
    await recorder.take(telling(10, *told))
    assert await recorder.take(telling(20)) == Recorded(0, 2)
    await recorder.take(telling(30, *told))
    assert [row[3:] for row in await fact_rows(store)] == [(10, 20), (30, FOREVER)]
    assert [row[3:] for row in await relation_rows(store)] == [(10, 20), (30, FOREVER)]


async def test_half_an_answer_ends_nothing(store: Store, recorder: InventoryRecorder) -> None:
    await recorder.take(telling(10, fact("node n1", "state", "IDLE"), fact("node n2", "state", "IDLE")))
    await recorder.take(telling(20, fact("node n1", "state", "DOWN"), is_whole=False))
    assert ("n2", "state", '"IDLE"', 10, FOREVER) in await fact_rows(store)
    assert ("n1", "state", '"DOWN"', 20, FOREVER) in await fact_rows(store)


async def test_a_source_ends_only_what_it_told_itself(store: Store, recorder: InventoryRecorder) -> None:
    await recorder.take(telling(10, fact("user a", "exists", True), source="one"))
    await recorder.take(telling(20, source="other"))
    assert [row[4] for row in await fact_rows(store)] == [FOREVER]


async def test_a_telling_about_one_entity_ends_nothing_of_another(store: Store, recorder: InventoryRecorder) -> None:
    for name in ("a", "b"):
        groups = relation(f"user {name}", "member_of", "group g1"), relation(f"user {name}", "member_of", "group g2")
        await recorder.take(telling(10, *groups, subject=entity(f"user {name}")))
    await recorder.take(telling(20, relation("user a", "member_of", "group g1"), subject=entity("user a")))
    ended = [row for row in await relation_rows(store) if row[4] != FOREVER]
    assert ended == [("a", "member_of", "g2", 10, 20)]


async def test_a_telling_that_comes_late_is_left_out_and_said_to_be(store: Store, recorder: InventoryRecorder) -> None:
    await recorder.take(telling(20, fact("node n1", "state", "DOWN")))
    assert (await recorder.take(telling(10, fact("node n1", "state", "IDLE")))).is_late
    assert [row[2] for row in await fact_rows(store)] == ['"DOWN"']


async def test_a_fact_begins_when_its_source_says_but_not_before_it_was_last_asked(
    store: Store, recorder: InventoryRecorder
) -> None:
    await recorder.take(telling(100, fact("node n1", "reason", "cable", since_ns=40)))
    await recorder.take(telling(200))
    await recorder.take(telling(300, fact("node n1", "reason", "fan", since_ns=120)))
    await recorder.take(telling(400, fact("node n1", "reason", "disk", since_ns=350)))
    await recorder.take(telling(500, fact("node n1", "reason", "future", since_ns=900)))
    spans = [(row[2], row[3], row[4]) for row in sorted(await fact_rows(store), key=lambda row: row[3])]
    assert spans == [
        ('"cable"', 40, 200),
        ('"fan"', 200, 350),
        ('"disk"', 350, 500),
        ('"future"', 500, FOREVER),
    ]


@pytest.mark.parametrize("name", ['it\'s "quoted"', "two\nlines", "'; DROP TABLE inventory_facts; --", "é\u202e☃"])
async def test_names_are_only_names(store: Store, recorder: InventoryRecorder, name: str) -> None:
    told = fact(f"node {name}", name, name), relation(f"node {name}", "contains", f"node {name}")
    await recorder.take(telling(10, *told))
    assert await recorder.take(telling(20, *told)) == Recorded(0, 0)
    await recorder.take(telling(30))
    assert [(row[0], row[1], row[4]) for row in await fact_rows(store)] == [(name, name, 30)]
    assert [(row[0], row[2], row[4]) for row in await relation_rows(store)] == [(name, name, 30)]


ATTRIBUTES = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz"), max_size=3)
TOLD = st.lists(st.tuples(ATTRIBUTES, st.booleans(), st.none() | st.integers(0, 60)), max_size=6)


@pytest.mark.thorough
@given(TOLD)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10, deadline=None)
async def test_spans_of_one_attribute_never_overlap_and_the_newest_is_what_was_told(
    tmp_path_factory: pytest.TempPathFactory, told: list[tuple[dict[str, str], bool, int | None]]
) -> None:
    opened = await Store.open(f"sqlite:///{tmp_path_factory.mktemp('spans')}/hub.sqlite3")
    try:
        recorder = InventoryRecorder(opened, "demo")
        holding: dict[str, str] = {}
        for number, (attributes, is_whole, since_ns) in enumerate(told, 1):
            facts = [fact("node n1", name, value, since_ns) for name, value in attributes.items()]
            await recorder.take(telling(10 * number, *facts, is_whole=is_whole))
            holding = dict(attributes) if is_whole else holding | attributes
        rows = await fact_rows(opened)
        open_values = {row[1]: row[2].strip('"') for row in rows if row[4] == FOREVER}
        assert open_values == holding
        for name in "abc":
            spans = sorted(row[3:] for row in rows if row[1] == name)
            assert all(begin < end for begin, end in spans)
            assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))
    finally:
        await opened.close()


def test_a_telling_is_the_same_in_whatever_order() -> None:
    from slurmlens.hub.inventory.recording import _digest

    first, second = fact("node n1", "a", 1), fact("node n2", "a", 1)
    one: Telling = telling(1, first, second)
    assert _digest(one) == _digest(telling(2, second, first))
    assert _digest(one) != _digest(telling(1, first))
    assert _digest(one) != _digest(telling(1, first, second, is_whole=False))


async def test_what_ended_long_ago_goes_where_a_site_wants_that_and_what_holds_stays(
    store: Store, recorder: InventoryRecorder
) -> None:
    clock = ManualClock()
    first_ns, then_ns, last_ns = (clock.wall_ns() - days * DAY_S * 10**9 for days in (450, 445, 50))
    both = relation("partition all", "contains", "node n1"), fact("node n1", "cpu_count", 4)
    await recorder.take(telling(first_ns, *both, fact("node n1", "state", "IDLE")))
    await recorder.take(telling(then_ns, both[1], fact("node n1", "state", "DOWN")))
    await recorder.take(telling(last_ns, both[1], fact("node n1", "state", "IDLE")))
    assert kinds_of_inventory(None) == []
    retention = Retention(store, kinds_of_inventory(100), clock)
    while await retention.turn():
        pass
    assert {aged.kind: (aged.removed, aged.behind_s) for aged in retention.told()} == {
        "ended facts of the cluster": (1, 0),
        "ended relations of the cluster": (1, 0),
        "sets of packages": (0, 0),
    }
    assert await fact_rows(store) == [
        ("n1", "cpu_count", "4", first_ns, FOREVER),
        ("n1", "state", '"DOWN"', then_ns, last_ns),
        ("n1", "state", '"IDLE"', last_ns, FOREVER),
    ]
    assert await relation_rows(store) == []
