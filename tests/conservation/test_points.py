"""Metrics: delivered + told as dropped = made, whatever happens to carbon, and where drops must begin."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from deploy.errors import MachineLacks

from conservation.conftest import SEED
from conservation.faults import Fault, of_connection, of_process
from conservation.points import MAX_AGE_S, CarbonReceiver, Made, MetricRoad, judge_points
from conservation.programs import PATIENCE_S, SmallDisk, lacking
from conservation.receivers import Place
from conservation.verdict import Rule
from testkit.checkout import ROOT
from testkit.fault_proxy import fault_proxy
from testkit.waiting import until


@pytest.fixture
async def road(ordeal_folder: Path) -> AsyncIterator[MetricRoad]:
    """Points flow to carbon through a proxy."""
    if missing := lacking():
        pytest.skip(missing)
    disk = SmallDisk(ordeal_folder / "disk", 32 * 1024 * 1024)
    place = Place(ordeal_folder, disk, ROOT, "demo", "n0")
    (ordeal_folder / "tokens").write_text("n0 0123456789abcdef\n")
    (ordeal_folder / "tokens").chmod(0o600)
    async with AsyncExitStack() as stack:
        stack.callback(place.close)
        try:
            carbon = CarbonReceiver(place)
        except MachineLacks as error:
            pytest.skip(str(error))
        await disk.mount()
        stack.push_async_callback(disk.unmount)
        await carbon.start()
        stack.push_async_callback(carbon.stop)
        proxy = await stack.enter_async_context(fault_proxy(carbon.port or 0))
        carbon.proxy_port = proxy.port
        road = MetricRoad(place, carbon, proxy, disk)
        stack.push_async_callback(road.stop)
        await road.start()
        yield road


def verdict(road: MetricRoad) -> list[str]:
    return [str(one) for one in judge_points(road.made, road.carbon.points(), road.dropped())]


@pytest.mark.parametrize("faults", [2, pytest.param(20, marks=pytest.mark.slow)])
async def test_whatever_happens_to_carbon_alone_every_point_arrives(road: MetricRoad, faults: int) -> None:
    chance = random.Random(SEED)
    possible: list[Fault] = [
        *of_process("carbon", road.carbon.victim, road.carbon.start),
        *of_connection(chance, road.carbon, road.proxy),
    ]
    await road.bring(20)
    # A carbon that is killed while it makes a series' file leaves one that it cannot read for ever after.
    await road.settle()
    struck = []
    for _ in range(faults):
        fault = chance.choice(possible)
        struck.append(fault.kind)
        await fault.strike()
        await road.bring(20)
        await fault.undo()
        await road.bring(20)
        await road.settle()
    assert verdict(road) == [], (SEED, struck)
    assert road.dropped() == 0


@pytest.mark.slow
async def test_what_has_waited_too_long_for_carbon_is_told_to_the_line(road: MetricRoad) -> None:
    await road.bring(10)
    await road.settle()
    road.proxy.refuse()
    road.proxy.reset()
    await road.bring(200)

    async def some_are_dropped() -> int:
        await road.bring(1)  # the spool looks at ages when something comes
        return road.dropped()

    await until(some_are_dropped, "points too old", MAX_AGE_S + PATIENCE_S, poll_s=1)
    await road.bring(200)
    await road.proxy.heal()
    await road.bring(10)
    await road.settle()
    assert verdict(road) == []
    assert road.dropped() > 0


def test_the_judge_of_points_finds_what_is_missing_untold_and_what_nobody_made() -> None:
    made = Made()
    made.more(2)
    stored = dict(made.points)
    assert judge_points(made, stored, 0) == []
    (first, *rest) = stored
    without = {key: stored[key] for key in rest}
    assert [one.rule for one in judge_points(made, without, 0)] == [Rule.POINTS_LOST]
    assert judge_points(made, without, 1) == []
    assert [one.rule for one in judge_points(made, stored, 1)] == [Rule.POINTS_LOST]
    assert [one.rule for one in judge_points(made, stored | {first: -1.0}, 0)] == [Rule.POINTS_UNKNOWN]
