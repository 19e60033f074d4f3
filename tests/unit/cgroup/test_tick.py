"""The C arithmetic says what its plain Python twin says, whatever is read in whatever order of time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmlens.cgroup import tick
from slurmlens.cgroup.reader import CgroupReader
from slurmlens.cgroup.reading import Reading, reading_of
from slurmlens.events import Point, Profile
from slurmlens.metrics import FIELDS, METRICS, Source, Tier
from slurmlens.node.sampler.accounts import Account
from slurmlens.node.sampler.points import JobsPoints, Points
from slurmlens.node.sampler.recorder import ProfileBins
from testkit import tick_twin as twin

MS = 1_000_000
WALL_NS = 1_795_347_263_400_000_000
BOOT_NS = 5_000_000_000
GAP_NS = 25_000 * MS

field_names = st.sampled_from([field.name for field in FIELDS])
readings = st.dictionaries(field_names, st.integers(0, 2**50), max_size=12).map(reading_of)
pauses_ns = st.integers(0, 40_000).map(lambda pause_ms: pause_ms * MS)
profiles = st.lists(st.tuples(pauses_ns, readings), min_size=1, max_size=40)


@given(profiles, st.booleans())
def test_accounts_agree(profile: Sequence[tuple[int, Reading]], from_zero: bool) -> None:
    ours, plain = Account(from_zero=from_zero), twin.Account(from_zero=from_zero)
    now_ns = BOOT_NS
    for pause_ns, reading in profile:
        now_ns += pause_ns
        ours.take(reading, now_ns)
        plain.take(reading, now_ns)
    assert (ours.samples, ours.first_ns, ours.last_ns) == (plain.samples, plain.first_ns, plain.last_ns)
    for field in FIELDS:
        if field.name in tick.GAUGE_FIELDS:
            assert ours.highest(field.name) == plain.highest(field.name)
            assert ours.current(field.name) == plain.current(field.name)
        else:
            assert ours.total(field.name) == plain.total(field.name)


@settings(deadline=None)
@given(profiles, st.sampled_from([16, 33, 360]), st.sampled_from([0.125, 1.25, 10.0]), st.booleans())
def test_courses_agree(profile: Sequence[tuple[int, Reading]], max_points: int, width_s: float, newborn: bool) -> None:
    ours, plain = (
        ProfileBins(WALL_NS, BOOT_NS, width_s, max_points),
        twin.ProfileBins(WALL_NS, BOOT_NS, width_s, max_points),
    )
    account = twin.Account()
    mine = Account()
    if newborn:
        ours.begin(BOOT_NS)
        plain.begin(BOOT_NS)
    now_ns = BOOT_NS
    for pause_ns, reading in profile:
        now_ns += pause_ns
        account.take(reading, now_ns)
        mine.take(reading, now_ns)
        for source in Source:
            ours.follow(source, mine, reading.have, now_ns, GAP_NS)
            plain.follow(source, account, reading.have, now_ns, GAP_NS)
        assert_same(ours.delta(), plain.delta())
    assert_same(ours.profile(), plain.profile())
    ours.halve()
    plain.halve()
    assert_same(ours.profile(), plain.profile())


def assert_same(ours: Profile | None, plain: Profile | None) -> None:
    """Equal but for the last digits of a float."""
    assert (ours is None) == (plain is None)
    if ours is None or plain is None:
        return
    assert (ours.start_ns, ours.width_s) == (plain.start_ns, plain.width_s)
    assert ours.columns.keys() == plain.columns.keys()
    for name, bins in ours.columns.items():
        assert len(bins) == len(plain.columns[name])
        assert all(map(same_point, bins, plain.columns[name]))


def same_point(ours: Point, plain: Point) -> bool:
    pairs = zip((ours.low, ours.mean, ours.high), (plain.low, plain.mean, plain.high), strict=True)
    return all(
        a is b is None or (a is not None and b is not None and math.isclose(a, b, rel_tol=1e-4)) for a, b in pairs
    )


@given(profiles, st.sampled_from(list(Tier)), st.booleans())
def test_points_agree(profile: Sequence[tuple[int, Reading]], tier: Tier, from_zero: bool) -> None:
    ours, plain = Points(tier, from_zero=from_zero), twin.Points(tier, from_zero=from_zero)
    mine, account = Account(), twin.Account()
    tick_ns = WALL_NS
    for pause_ns, reading in profile:
        tick_ns += pause_ns + MS
        mine.take(reading, tick_ns)
        account.take(reading, tick_ns)
        found = ours.values({Source.CGROUP: mine}, tick_ns, 10_000 * MS)
        assert found == pytest.approx(plain.values({Source.CGROUP: account}, tick_ns, 10_000 * MS))


@pytest.mark.thorough
@given(st.lists(profiles, min_size=1, max_size=4), st.sampled_from(list(Tier)))
def test_a_sum_is_what_the_points_add_up_to(jobs: list[list[tuple[int, Reading]]], tier: Tier) -> None:
    accounts = []
    for profile in jobs:
        account = Account()
        for _, reading in profile:
            account.take(reading, BOOT_NS)
        accounts.append(account)
    alone = [Points(tier, from_zero=True).values({Source.CGROUP: one}, WALL_NS, 10_000 * MS) for one in accounts]
    batch = JobsPoints([(Points(tier, from_zero=True), one, Account(), None) for one in accounts])
    expected = [
        sum(value for value in column if value is not None) if any(value is not None for value in column) else None
        for column in zip(*alone, strict=True)
    ]
    assert batch.summed(WALL_NS, 10_000 * MS) == pytest.approx(expected)
    again = JobsPoints([(Points(tier, from_zero=True), one, Account(), None) for one in accounts])
    masks, values = again.each(WALL_NS, 10_000 * MS)
    assert values == pytest.approx([value for row in alone for value in row if value is not None])
    assert masks == [sum(1 << index for index, value in enumerate(row) if value is not None) for row in alone]


def test_every_recorded_metric_has_a_column_of_its_own() -> None:
    assert sorted(tick.COLUMN_OF.values()) == list(range(len([metric for metric in METRICS if metric.in_profile])))


def test_a_counter_that_no_machine_reaches_stops_instead_of_turning_negative() -> None:
    account = Account()
    for value in (2**64 - 1, 0, 2**64 - 1, 0):
        account.take(reading_of({"cpu_usage_ns": value}), BOOT_NS)
    assert account.total("cpu_usage_ns") == 2**63 - 1


def test_a_batch_of_nothing_is_read_and_tallied() -> None:
    batch = tick.TickBatch(CgroupReader(), [])
    batch.read()
    assert batch.take(BOOT_NS, GAP_NS, GAP_NS, None) == 0
