"""A node is held against its own earlier days: same hour, same load; a change of job is no change of node."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from slurmlens.clock import NS_PER_S
from slurmlens.events import MachineState, NodeReading
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.findings.claims import Claim, FindingKind
from slurmlens.hub.findings.detectors.unlike_itself import DAY_S, NOW_BINS, unlike_themselves
from slurmlens.hub.findings.observed import Observed
from slurmlens.hub.findings.past_looks import AGAIN_S, NODES_A_TURN, PastLooks
from slurmlens.hub.findings.reading import RecentRuns
from slurmlens.hub.findings.stage import FindingStage
from slurmlens.hub.news import NodesReceived
from slurmlens.hub.node_states.facts import NodeCourse
from slurmlens.hub.node_states.figures import BIN_S
from slurmlens.hub.node_states.read import NodeStateQueries
from slurmlens.slurm.records import NodeRecord
from testkit.findings import NOW_NS, finding_room
from testkit.hub_history import History
from testkit.told_events import BEGIN_S, BOOT, at_ns

NOW_S = NOW_NS // NS_PER_S
NOW_S_OF_STAGE = BEGIN_S + 10 * DAY_S
Figure = Callable[[int, float], float]
"""Of how many days ago and the time of that bin."""


def course(busy: Figure, days: int = 13, node: str = "n1", **figures: Figure) -> NodeCourse:
    begins, means = [], {"cpu": [], "cores": [], **{name: [] for name in figures}}
    for day in range(days, -1, -1):
        last = NOW_BINS if day == 0 else 18
        for place in range(last):
            begin_s = NOW_S - day * DAY_S - (last - place) * BIN_S + (1_800 if day else 0)
            begins.append(begin_s)
            means["cpu"].append(16 * busy(day, begin_s))
            means["cores"].append(16.0)
            for name, figure in figures.items():
                means[name].append(figure(day, begin_s))
    return NodeCourse(node=node, begins_s=tuple(begins), means={name: tuple(own) for name, own in means.items()})


def said(*courses: NodeCourse) -> list[Claim]:
    return list(unlike_themselves(Observed(now_ns=NOW_NS, courses=courses)))


def steady(value: float, noise: float = 0.0, seed: int = 1) -> Figure:
    draw = random.Random(seed)
    return lambda day, at_s: value + draw.gauss(0, noise)


def risen(usual: float, now: float, noise: float = 0.5) -> Figure:
    draw = random.Random(2)
    return lambda day, at_s: (usual if day else now) + draw.gauss(0, noise)


def test_a_node_that_is_hotter_than_on_its_earlier_days_is_said_with_both_figures() -> None:
    (claim,) = said(course(steady(0.9), temperature=risen(66, 83)))
    assert (claim.subject.name, claim.detail) == ("n1", "temperature higher")
    assert "82.7 °C" in claim.sentence
    assert "66.0 °C on 13 earlier days" in claim.sentence
    assert claim.score >= 1.5


@pytest.mark.parametrize(
    ("busy", "days", "temperature"),
    [
        (steady(0.9), 13, risen(66, 71)),  # too little to matter
        (steady(0.9), 5, risen(66, 83)),  # too few days
        (lambda day, at_s: 0.2 if day else 0.9, 13, risen(66, 83)),  # it was never so busy before
        (steady(0.9), 13, lambda day, at_s: 66.0 + 20 * (day % 3 == 0)),  # it is often so
    ],
)
def test_what_does_not_matter_or_cannot_be_compared_is_not_said(busy: Figure, days: int, temperature: Figure) -> None:
    assert said(course(busy, days, temperature=temperature)) == []


def test_a_load_counts_only_while_the_node_is_idle() -> None:
    assert [one.detail for one in said(course(steady(0.01), load=risen(0.1, 9)))] == ["load higher"]
    assert said(course(steady(0.9), load=risen(0.1, 9))) == []


def test_less_power_at_the_same_load_is_odd_and_a_cooler_node_is_not() -> None:
    found = said(course(steady(0.9), power=risen(300, 200), temperature=risen(80, 40)))
    assert [one.detail for one in found] == ["power lower"]


def test_a_thousand_healthy_looks_say_nothing() -> None:
    """Days differ by 3 °C, bins by 2, and each day has its own weather and its own jobs."""
    for seed in range(250):
        draw = random.Random(seed)
        weather = [draw.gauss(0, 3) for _ in range(20)]
        jobs = [draw.random() for _ in range(20)]
        healthy = course(
            lambda day, at_s, jobs=jobs: jobs[day],
            temperature=lambda day, at_s, d=draw, w=weather, j=jobs: 40 + 30 * j[day] + w[day] + d.gauss(0, 2),
            power=lambda day, at_s, d=draw, j=jobs: 100 + 200 * j[day] + d.gauss(0, 15),
            disk_latency=lambda day, at_s, d=draw: abs(d.gauss(0.004, 0.004)),
            load=lambda day, at_s, d=draw, j=jobs: 16 * j[day] + abs(d.gauss(0, 0.5)),
        )
        assert said(healthy) == []


class Courses:
    """Counts who was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def same_hours(self, viewer: object, nodes: list[str], figures: object, now_s: int) -> tuple[NodeCourse, ...]:
        self.asked += nodes
        return ()


async def test_each_node_is_looked_at_once_an_hour_and_a_few_at_a_time() -> None:
    courses, nodes = Courses(), [f"n{number:03}" for number in range(NODES_A_TURN + 5)]
    looks = PastLooks(courses)  # type: ignore[arg-type]
    for turn in range(4):
        await looks.next(nodes, NOW_NS + turn * 7 * NS_PER_S)
    assert sorted(courses.asked) == nodes
    await looks.next(nodes, NOW_NS + (AGAIN_S + 1) * NS_PER_S)
    assert len(courses.asked) == len(nodes) + NODES_A_TURN


async def test_the_stage_finds_it_in_what_the_node_told_in_nine_days(history: History) -> None:
    def told(age_s: int, celsius: float) -> MachineState:
        when_s = 10 * DAY_S - age_s
        readings = (
            NodeReading("cpu.user_cores", "", 12.0),
            NodeReading("cpu.system_cores", "", 1.0),
            NodeReading("cpu.cores_count", "", 16.0),
            NodeReading("hwmon.temperature_celsius", "package", celsius),
        )
        where = {"boot_id": BOOT, "cluster": "demo", "node": "n1"}
        return MachineState(
            id=f"s{age_s}", time_ns=at_ns(when_s), boottime_ns=at_ns(when_s), interval_s=60, readings=readings, **where
        )

    for day in range(9, 0, -1):
        await history.hear(*(told(day * DAY_S + minutes * 60, 60.0 + day % 3) for minutes in (20, 10, 5)))
        await history.hear(told(day * DAY_S - 9 * 3600, 95.0))  # at another hour it is always hot
    await history.hear(*(told(minutes * 60, 90.0) for minutes in (29, 24, 19, 14, 9, 4)))
    history.clock.advance(10 * DAY_S)
    states = NodeStateQueries(history.store, "demo")
    (course,) = await states.same_hours(EVERYBODY, ["n1"], ("temperature",), NOW_S_OF_STAGE)
    assert len(course.begins_s) == 9 * 3 + 6
    assert list(course.means) == ["temperature"]
    stage = FindingStage(
        finding_room(history),
        history.queries,
        RecentRuns(history.store, "demo"),
        None,
        None,
        history.news,
        history.clock,
        history.reporter,
        states,
    )
    stage.note([NodesReceived([NodeRecord(name="n1", state="ALLOCATED")])])
    (finding,) = await stage.turn()
    assert (finding.claim.kind, finding.claim.detail) == (FindingKind.UNLIKE_ITSELF, "temperature higher")
    assert "90.0 °C" in finding.claim.sentence
    assert "on 9 earlier days" in finding.claim.sentence
