"""How full file systems were: a row a mount point and day, of the node where it was fullest; and when they will be."""

from __future__ import annotations

import pytest

from slurmlens.config.management import ManagementConfig
from slurmlens.events import MachineState
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.node_states.file_systems import DAY_S, MOST_MOUNTS, FileSystemDay, told_days
from slurmlens.hub.node_states.read import NodeStateQueries
from slurmlens.hub.views.capacity.build import GONE_S, MOST_FILE_SYSTEMS, build_capacity_view
from slurmlens.hub.views.capacity.view import CapacityFigure
from testkit.hub_history import History
from testkit.node_tellings import node_state
from testkit.told_events import BEGIN_S

TIB = 2**40
TODAY_S = BEGIN_S // DAY_S * DAY_S


def told(seconds: float, node: str, used: float, mount: str = "/scratch", *, shared: bool = True) -> MachineState:
    """What a node tells of one file system."""
    readings = [("filesystem.size_bytes", mount, float(TIB)), ("filesystem.used_ratio", mount, used)]
    readings += [("filesystem.hangs_count", mount, 0.0)] if shared else []
    return node_state(seconds, *readings, node=node)


@pytest.fixture
def queries(history: History) -> NodeStateQueries:
    return NodeStateQueries(history.store, "demo")


async def test_a_day_is_the_node_on_which_it_was_fullest_however_they_come(
    history: History, queries: NodeStateQueries
) -> None:
    await history.hear(told(10, "n1", 0.5), told(10, "n2", 0.7, "/", shared=False))
    await history.hear(told(70, "n2", 0.6))
    await history.hear(told(130, "n1", 0.4), told(130, "n3", 0.1, "/", shared=False))
    await history.hear(told(DAY_S + 10, "n1", 0.2), told(400 * DAY_S, "n4", 0.9, "/ahead"))
    tomorrow_s = TODAY_S + 2 * DAY_S
    assert await queries.file_systems(EVERYBODY, 0, tomorrow_s) == [
        FileSystemDay("/", TODAY_S, "n2", TIB, 0.7, False),
        FileSystemDay("/scratch", TODAY_S, "n2", TIB, 0.6, True),
        FileSystemDay("/scratch", TODAY_S + DAY_S, "n1", TIB, 0.2, True),
    ]
    assert await queries.file_systems(EVERYBODY, tomorrow_s, tomorrow_s + DAY_S) == []


def test_of_very_many_mounts_the_largest_are_kept_and_nonsense_is_not() -> None:
    sizes = [("filesystem.size_bytes", f"/home/u{number}", float(number)) for number in range(MOST_MOUNTS + 40)]
    ratios = [("filesystem.used_ratio", mount, 7.0) for _, mount, _ in sizes]
    kept = list(told_days(node_state(10, *sizes, *ratios, ("filesystem.size_bytes", "/odd", 1e30))))
    assert len(kept) == MOST_MOUNTS
    assert min(day.size_bytes for day in kept) == 40
    assert {day.used_ratio for day in kept} == {1.0}


def days_of(
    mount: str, count: int, per_day: float, *, last_s: int = TODAY_S, shared: bool = True
) -> list[FileSystemDay]:
    """A file system that fills up."""
    first_s = last_s - (count - 1) * DAY_S
    return [
        FileSystemDay(mount, first_s + day * DAY_S, "n1", 500 * TIB, min(1.0, 0.3 + per_day * day), shared)
        for day in range(count)
    ]


def figures(days: list[FileSystemDay]) -> list[CapacityFigure]:
    view = build_capacity_view("demo", [], [], ManagementConfig(), TODAY_S + 60, days)
    return [one for one in view.figures if one.mount is not None]


def test_when_a_file_system_will_be_full_is_said_with_its_size_and_how_sure() -> None:
    (one,) = figures(days_of("/scratch", 60, 0.005))
    assert one.sentence.startswith("60 % of 500 TiB on all nodes. It reaches 90 % about 20")
    assert "with 80 % certainty" in one.sentence
    assert one.forecast is not None
    assert one.forecast.reached_days == pytest.approx(61, abs=3)
    assert one.forecast.tested_error == pytest.approx(0.0, abs=0.01)
    (short,) = figures(days_of("/", 5, 0.1, shared=False))
    assert "on n1, where it is fullest. 5 days are too few for a forecast" in short.sentence


def test_shared_ones_stand_first_few_are_shown_and_what_is_gone_is_not() -> None:
    many = [day for number in range(20) for day in days_of(f"/local{number:02}", 2, 0.01, shared=False)]
    gone = days_of("/old", 40, 0.01, last_s=TODAY_S - GONE_S - DAY_S)
    shown = figures([*many, *gone, *days_of("/work", 2, 0.01)])
    assert [one.mount for one in shown] == ["/work", *(f"/local{number:02}" for number in range(MOST_FILE_SYSTEMS - 1))]
