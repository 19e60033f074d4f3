"""The operator's first page: the USE table, the map of nodes, who is out of service and why jobs wait."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.cli.main import main
from slurmlens.clock import NS_PER_S
from slurmlens.config.hub import HubConfig
from slurmlens.events import MachineState, NodeReading
from slurmlens.hub.inventory.entities import Entity, EntityKind, HeldFact, HeldRelation
from slurmlens.hub.inventory.read.queries import InventoryQueries
from slurmlens.hub.inventory.recording import InventoryRecorder
from slurmlens.hub.node_states.read import NodeStateQueries
from slurmlens.hub.usage.keeping import UsageKeeper
from slurmlens.hub.usage.node_keeping import NodeTimeKeeper
from slurmlens.hub.usage.read import UsageQueries
from slurmlens.hub.views.cluster.build import COURSE_HOURS, ClusterFacts, build_cluster_view, gpus_in
from slurmlens.hub.views.cluster.controller import RpcRate, rpc_rate
from slurmlens.hub.views.cluster.view import ClusterView
from slurmlens.hub.web.app import make_app
from slurmlens.hub.web.node_map import draw_nodes
from slurmlens.slurm.records import JobState
from slurmlens.slurm.sdiag_text import RpcUse, SchedulerLoad, SchedulerStatistics
from testkit.hub_history import History, record
from testkit.inventories import fact, relation, telling
from testkit.job_hub import Live, ToldInside, plain_status, take_nothing
from testkit.manual_clock import ManualClock
from testkit.told_events import BEGIN_S

GIB = 2**30
EVIL = 'n"><b>evil</b>\n\u202e'
STATES = {"n1": "MIXED", "n2": "IDLE+DRAIN", "n10": "DOWN", EVIL: "IDLE"}


LOAD = SchedulerLoad(
    SchedulerStatistics(
        at_s=1060,
        since_s=0,
        rpc_count=1600,
        rpc_total_us=46_000_000,
        dbd_agent_queue=4,
        main_last_us=2_000_000,
        rpc_users=(RpcUse(user="<b>root", count=9, total_us=23_000_000),),
    ),
    SchedulerStatistics(at_s=1000, since_s=0, rpc_count=1000, rpc_total_us=40_000_000),
)


async def tell_state(history: History) -> None:
    """What n1 measures now: half its cores busy, a disk that is busy and waited for, a file system almost full."""
    now_ns = history.clock.wall_ns()
    readings = {
        ("cpu.user_cores", ""): 3.5,
        ("cpu.system_cores", ""): 0.5,
        ("cpu.cores_count", ""): 8.0,
        ("load.run_queue_count", ""): 12.0,
        ("pressure.io_some_ratio", ""): 0.4,
        ("disk.busy_ratio", "sda"): 0.9,
        ("filesystem.used_ratio", "/home"): 0.97,
        ("network.link_bits_per_second", "eth0"): 1e10,
        ("network.sent_bytes_per_second", "eth0"): 1e9,
        ("network.send_errors_per_second", "eth0"): 2.0,
    }
    state = MachineState(
        id="state",
        time_ns=now_ns,
        boot_id="b",
        boottime_ns=1,
        cluster="demo",
        node="n1",
        interval_s=60.0,
        readings=tuple(NodeReading(name, of, value) for (name, of), value in readings.items()),
    )
    await history.hear(state)


@pytest.fixture
async def client(history: History, clock: ManualClock) -> AsyncIterator[TestClient]:
    """Four nodes of 8 cores and 16 GiB, one drained and one down; a job holds half of n1, two wait."""
    facts = [fact(f"node {name}", "state", state) for name, state in STATES.items()]
    facts += [fact(f"node {name}", "cpu_count", 8) for name in STATES]
    facts += [fact(f"node {name}", "memory_bytes", 16 * GIB) for name in STATES]
    facts += [fact("node n1", "gres", "gpu:a100:4(S:0-1)"), fact("node n2", "reason", "fails <b>jobs</b>")]
    inside = [relation("partition all", "contains", f"node {name}") for name in ("n1", "n2", "n10")]
    await InventoryRecorder(history.store, "demo").take(telling(BEGIN_S * NS_PER_S, *facts, *inside))
    await history.learn(
        record(JobState.RUNNING, job_id=1, nodes=("n1",), cpu_count=4, memory_bytes=8 * GIB, node_count=1),
        record(JobState.PENDING, job_id=2, start=None, cpu_count=64, reason="Resources"),
        record(JobState.PENDING, job_id=3, start=None, cpu_count=8, reason="Priority"),
    )
    clock.advance((BEGIN_S + 3600) - clock.wall_ns() / NS_PER_S)
    await tell_state(history)
    app = make_app(
        queries=history.queries,
        progress=ToldInside(),
        inventory=InventoryQueries(history.store, "demo"),
        node_states=NodeStateQueries(history.store, "demo"),
        usage=UsageQueries(history.store, "demo"),
        scheduler_load=lambda _: LOAD,
        live=Live().demand,
        take_events=take_nothing,
        status=plain_status,
        settings=HubConfig(cluster="demo"),
        clock=clock,
    )
    async with TestClient(TestServer(app)) as opened:
        yield opened


async def test_it_says_how_busy_what_waits_and_what_is_broken(client: TestClient) -> None:
    answer = await client.get("/cluster.json")
    view = msgspec.json.decode(await answer.read(), type=ClusterView)
    assert view.sentence == "2 of 4 nodes are out of service, 1 job runs, 2 wait."
    cells = {one.name: (one.utilisation.text, one.saturation.text, one.errors.text) for one in view.resources}
    assert cells["CPU"] == ("4 of 16 cores allocated", "72 cores asked for", "2 nodes out of service")
    assert cells["Memory"][0] == "8.0 GiB of 32 GiB allocated"
    assert cells["GPU"][0] == "0 of 4 allocated"
    assert cells["Scheduler"] == ("1 running, 2 waiting", "longest 1 h", "answers")
    groups = {group.name: [(node.name, node.word, node.allocated) for node in group.nodes] for group in view.groups}
    assert groups["all"] == [("n1", "mixed", 0.5), ("n2", "drained", 0.0), ("n10", "down", 0.0)]
    assert groups["in none"] == [(EVIL, "idle", 0.0)]
    assert [node.name for node in view.out_of_service] == ["n2", "n10"]
    assert sorted(view.waiting) == [
        ("not enough of what it asks for is free yet (Resources)", 1),
        ("other jobs of higher priority come first (Priority)", 1),
    ]


async def test_what_nodes_measured_stands_beside_with_the_node_behind_each_figure(client: TestClient) -> None:
    view = msgspec.json.decode(await (await client.get("/cluster.json?figure=disk")).read(), type=ClusterView)
    lines = {one.name: one for one in view.resources}
    cpu = lines["CPU, measured"]
    assert (cpu.utilisation.text, cpu.utilisation.ratio) == ("4.0 of 8 cores busy", 0.5)
    assert cpu.saturation.text == "1 node with more tasks than cores: n1 12.0"
    assert lines["Network"].utilisation.ratio == 0.8
    assert (lines["Network"].errors.tone, lines["Network"].errors.address) == ("bad", "/nodes/n1")
    assert lines["Disks"].saturation.text == "1 node waiting for I/O: n1 40 %"
    assert lines["File systems"].utilisation.text == "fullest: /home on n1"
    assert lines["slurmlens"].utilisation.text == "1 of 2 nodes tell"
    assert all(len(one.formulas) == 3 and all(one.formulas) for one in view.resources)
    (group,) = [group for group in view.groups if group.name == "all"]
    assert {node.name: node.shown for node in group.nodes} == {"n1": 0.9, "n2": None, "n10": None}


async def test_how_slurmctld_fares_is_of_the_last_minute(client: TestClient) -> None:
    view = msgspec.json.decode(await (await client.get("/cluster.json")).read(), type=ClusterView)
    requests = next(one for one in view.resources if one.name == "slurmctld, RPCs")
    assert requests.utilisation.text == "10.0 RPCs/s, 10 % of one thread; most for <b>root (50 %)"
    assert requests.errors.text == "4 messages wait for slurmdbd"
    cycles = next(one for one in view.resources if one.name == "slurmctld, cycles")
    assert cycles.saturation.tone == "warn"


def test_counters_that_were_reset_meanwhile_are_taken_since_then() -> None:
    last = msgspec.structs.replace(LOAD.last, since_s=1030, rpc_count=30, rpc_total_us=15_000_000)
    assert rpc_rate(SchedulerLoad(last, LOAD.before)) == RpcRate(1.0, 0.5, 30)
    assert rpc_rate(SchedulerLoad(msgspec.structs.replace(last, rpc_count=None), None)) is None


async def test_one_partition_alone_is_of_its_nodes_and_jobs(client: TestClient) -> None:
    answer = await client.get("/cluster.json?partition=all&by=switch")
    view = msgspec.json.decode(await answer.read(), type=ClusterView)
    assert view.sentence.startswith("2 of 3 nodes")
    assert "slurmctld, RPCs" not in {one.name for one in view.resources}
    assert (await client.get("/cluster.json?partition=none")).status == 404


@pytest.mark.parametrize("path", ["/cluster", "/cluster?by=switch", "/cluster?figure=gpu&partition=all"])
async def test_the_page_stands_and_names_in_it_are_only_text(client: TestClient, path: str) -> None:
    answer = await client.get(path)
    page = await answer.text()
    assert answer.status == 200
    assert "<b>" not in page
    assert "\u202e" not in page
    assert 'href="/nodes/n1"' in page


async def test_a_figure_that_is_none_is_refused_with_those_that_are(client: TestClient) -> None:
    answer = await client.get("/cluster.json?figure=beauty")
    assert answer.status == 400
    assert "allocated, cpu, memory" in (await answer.json())["advice"]


async def test_a_grouping_that_is_none_is_refused_with_those_that_are(client: TestClient) -> None:
    answer = await client.get("/cluster.json?by=colour")
    assert answer.status == 400
    assert "partition, switch" in (await answer.json())["advice"]


async def test_the_terminal_says_the_same(client: TestClient, capsys: pytest.CaptureFixture[str]) -> None:
    url = str(client.make_url("")).rstrip("/")
    assert await asyncio.to_thread(main, ["cluster", "--hub", url]) == 0
    text = capsys.readouterr().out
    assert "2 of 4 nodes are out of service" in text
    assert "▄dx" in text
    assert max(map(len, text.splitlines())) <= 80


def cluster_of(count: int) -> ClusterView:
    names = [f"n{number}" for number in range(count)]
    facts = [
        HeldFact(
            entity=Entity.of(EntityKind.NODE, name), attribute=attribute, value=value, source="test", valid_from_ns=1
        )
        for name in names
        for attribute, value in (("state", "IDLE"), ("cpu_count", 64))
    ]
    inside = [
        HeldRelation(
            entity=Entity.of(EntityKind.PARTITION, "all"),
            relation="contains",
            other=Entity.of(EntityKind.NODE, name),
            source="test",
            valid_from_ns=1,
        )
        for name in names
    ]
    return build_cluster_view("demo", ClusterFacts(facts, inside, (), ()), EntityKind.PARTITION, BEGIN_S * NS_PER_S)


def test_a_map_of_ten_thousand_nodes_stays_small() -> None:
    view = cluster_of(10_000)
    (group,) = draw_nodes(view)
    assert group.count == 10_000
    assert sum(len(path) for _, path in group.paths) < 300_000
    (look, path) = group.paths[0]
    assert look == "level0"
    assert path.count("M") == 10_000


def test_every_square_is_a_path_that_a_browser_can_draw() -> None:
    (group,) = draw_nodes(cluster_of(41))
    assert (group.width, group.height) == (40 * 14, 2 * 14)
    for square in group.squares:
        ElementTree.fromstring(f'<path d="{square.path}"/>')  # our own text
    assert len({square.path for square in group.squares}) == 41


@given(st.text(max_size=60))
def test_whatever_gres_says_gpus_are_counted_or_none(text: str) -> None:
    assert gpus_in(text) >= 0


async def test_how_full_each_hour_of_the_last_day_was_is_drawn(
    history: History, clock: ManualClock, client: TestClient
) -> None:
    runs, nodes = UsageKeeper(history.store, "demo", history.news, clock), NodeTimeKeeper(history.store, "demo", clock)
    while (await runs.step()).jobs:
        pass
    clock.advance(5 * 3_600)
    await nodes.close_hours()
    while await nodes.step():
        pass
    answer = await client.get("/cluster.json")
    course = msgspec.json.decode(await answer.read(), type=ClusterView).resources[0].utilisation.course
    assert len(course) == COURSE_HOURS
    assert course[0] is None, "nobody knows of the day before"
    known = [share for share in course if share is not None]
    assert known
    assert all(0 < share <= 1 for share in known), "the job that runs holds half of a node"
    page = await (await client.get("/cluster")).text()
    assert 'aria-label="CPU in the last 24 hours"' in page
    of_one = await client.get("/cluster.json?partition=all")
    view = msgspec.json.decode(await of_one.read(), type=ClusterView)
    assert view.resources[0].utilisation.course == (), "hours are counted of the whole cluster"


async def test_the_window_goes_with_links_from_the_cluster_to_a_node_to_its_job_and_that_ones_lines(
    client: TestClient,
) -> None:
    async def followed(address: str, to: str) -> str:
        answer = await client.get(address)
        page = await answer.text()
        assert answer.status == 200, page
        links = [html.unescape(one) for one in re.findall(r'href="([^"]*)"', page)]
        return next(one for one in links if urlsplit(one).path == to)

    begin = "2026-11-23T06:00:00Z"
    node = await followed(f"/cluster?since={begin}&by=partition", "/nodes/n1")
    assert parse_qs(urlsplit(node).query) == {"since": [begin]}
    job = await followed(node, "/jobs/1")
    assert parse_qs(urlsplit(job).query) == {"since": [begin]}
    lines = await followed(job, "/logs")
    assert parse_qs(urlsplit(lines).query) == {"job": ["1"], "since": [begin]}
    assert await followed(f"/jobs/1?since={begin}&until=2026-11-23T09:00:00Z", "/nodes/n1") == (
        "/nodes/n1?since=2026-11-23T06%3A00%3A00Z&at=2026-11-23T09%3A00%3A00Z"
    )
    assert urlsplit(await followed("/cluster", "/nodes/n1")).query == "", "who chose no window carries none"


async def test_what_nodes_measured_is_drawn_by_hour_of_the_whole_cluster(
    history: History, clock: ManualClock, client: TestClient
) -> None:
    clock.advance(3_600)
    await tell_state(history)
    view = msgspec.json.decode(await (await client.get("/cluster.json")).read(), type=ClusterView)
    courses = {one.name: one.utilisation.course for one in view.resources}
    for name, share in (("CPU, measured", 0.5), ("Network", 0.8), ("Disks", 0.9)):
        assert len(courses[name]) == COURSE_HOURS
        assert {value for value in courses[name] if value is not None} == {share}
    assert courses["File systems"] == ()
    page = await (await client.get("/cluster")).text()
    assert 'aria-label="Network in the last 24 hours"' in page
    of_one = msgspec.json.decode(await (await client.get("/cluster.json?partition=all")).read(), type=ClusterView)
    assert all(one.utilisation.course == () for one in of_one.resources)


@pytest.mark.parametrize(("since", "hours"), [("3h", 3), ("7d", 168), ("40d", 336)])
async def test_courses_go_back_as_far_as_the_window(client: TestClient, since: str, hours: int) -> None:
    view = msgspec.json.decode(await (await client.get(f"/cluster.json?since={since}")).read(), type=ClusterView)
    assert view.course_hours == hours
    assert {len(one.utilisation.course) for one in view.resources} <= {0, hours}


async def test_a_window_that_is_none_is_refused_with_what_it_may_be(client: TestClient) -> None:
    answer = await client.get("/cluster?since=yesterday")
    assert answer.status == 400
    assert "6h" in await answer.text()
