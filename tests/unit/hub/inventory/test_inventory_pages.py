"""The inventory on its pages, as JSON, and in the terminal, over a real database."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer

from slurmlens.cli.main import main
from slurmlens.clock import NS_PER_S
from slurmlens.config.hub import HubConfig
from slurmlens.events import Package
from slurmlens.hub.inventory.read.queries import InventoryQueries
from slurmlens.hub.inventory.read.software import SoftwareQueries
from slurmlens.hub.inventory.recording import InventoryRecorder
from slurmlens.hub.usage.read import UsageQueries
from slurmlens.hub.views.common_cause.view import CommonCauseView
from slurmlens.hub.views.entity.view import EntitiesView, EntityView
from slurmlens.hub.views.neighbourhood.view import BlastRadiusView, DifferenceView, NeighbourhoodView
from slurmlens.hub.web.app import make_app
from slurmlens.slurm.records import JobState
from testkit.hub_history import History, record
from testkit.inventories import fact, relation, telling
from testkit.job_hub import ToldInside, plain_status, take_nothing
from testkit.manual_clock import ManualClock
from testkit.node_software import software
from testkit.told_events import BEGIN_S

Client = TestClient
FORBIDDEN_MARKUP = re.compile(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|javascript:|<b>evil", re.IGNORECASE)
EVIL = 'n"><b>evil</b>\n\u202e'


class Nobody:
    """Nobody looks."""

    def watch(self, viewer: object, job_id: int) -> None:
        raise AssertionError("no page of the inventory is live")

    def looked(self, viewer: object, job_id: int) -> None:
        """Nothing follows."""


def moment(seconds: float) -> int:
    return (BEGIN_S + round(seconds)) * NS_PER_S


@pytest.fixture
async def client(history: History, clock: ManualClock) -> AsyncIterator[Client]:
    """n1, n2 and one with an evil name; n2 is drained at 100 s; thirty jobs, of which those on n2 failed."""
    recorder = InventoryRecorder(history.store, "demo")
    names = ("n1", "n2", EVIL)
    steady = [fact(f"node {name}", "exists", True) for name in names]
    steady += [fact(f"node {name}", "cpu_count", 4) for name in names]
    inside = [relation("partition all", "contains", f"node {name}") for name in names]
    idle = [fact(f"node {name}", "state", "IDLE") for name in names]
    out = [*idle[:1], fact("node n2", "state", "IDLE+DRAIN"), idle[2]]
    why = [fact("node n2", "reason", "fails <b>evil</b> jobs"), fact("node n2", "reason_by", "root")]
    version = fact("node n2", "slurm_version", "22.05.8"), fact("node n2", "slurm_version", "23.02.1")
    await recorder.take(telling(moment(-1000), *steady, *idle, *inside, version[0]))
    await recorder.take(telling(moment(100), *steady, *out, *why, *inside, version[1]))
    await recorder.take(telling(moment(-1000), fact("partition all", "exists", True), source="partitions"))
    tree = [relation("switch s1", "contains", "node n1"), relation("switch s1", "contains", "node n2")]
    await recorder.take(telling(moment(-1000), fact("switch s1", "exists", True), *tree, source="topology"))
    await recorder.take(telling(moment(-1000), relation("user alice", "charges", "account acct1"), source="jobs"))
    for node, version in (("n1", "4.1.4"), ("n2", "4.1.5")):
        packages = Package("openmpi", version), Package("libc6", "2.36"), Package("<b>evil", "1\u202e")
        await history.apply([software(node, *packages, seconds=-1000)])
    runs = []
    for number in range(30):
        node, name = ("n1", "n2")[number % 2], ("gemm", "cfd")[number % 3 == 0]
        state = JobState.FAILED if node == "n2" and number < 20 else JobState.COMPLETED
        runs.append(record(state, job_id=100 + number, end=50 + number, nodes=(node,), name=name))
    await history.learn(*runs, record(JobState.RUNNING, job_id=7, account="acct1"))
    clock.advance(moment(3600) / NS_PER_S - clock.wall_ns() / NS_PER_S)
    app = make_app(
        queries=history.queries,
        progress=ToldInside(),
        inventory=InventoryQueries(history.store, "demo"),
        software=SoftwareQueries(history.store, "demo"),
        usage=UsageQueries(history.store, "demo"),
        live=Nobody(),  # type: ignore[arg-type]
        take_events=take_nothing,
        status=plain_status,
        settings=HubConfig(cluster="demo"),
        clock=clock,
    )
    async with TestClient(TestServer(app)) as opened:
        yield opened


async def text_of(client: Client, path: str) -> str:
    answer = await client.get(path)
    text = await answer.text()
    assert answer.status == 200, text
    return text


PAGES = (
    "/nodes",
    "/nodes/n2",
    "/nodes/n%22%3E%3Cb%3Eevil%3C%2Fb%3E%0A%E2%80%AE",
    "/partitions",
    "/partitions/all",
    "/switches",
    "/switches/s1",
    "/users/alice",
    "/accounts/acct1",
    "/common-cause",
    "/inventory/node/n2",
    "/inventory/node/n2?depth=3",
    "/inventory/job/7",
    "/inventory/switch/s1/blast-radius",
    "/inventory/node/n1/difference?with=n2",
    "/cluster/map",
    "/software",
    "/software/openmpi",
    "/software/%3Cb%3Eevil",
    "/nodes/n1/software",
    "/inventory/software/openmpi/blast-radius",
)


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_stands_and_names_in_it_are_only_text(client: Client, path: str) -> None:
    text = await text_of(client, path)
    assert FORBIDDEN_MARKUP.search(text) is None
    assert "\u202e" not in text


async def test_a_node_page_says_what_is_with_it(client: Client) -> None:
    text = await text_of(client, "/nodes/n2")
    assert "Drained since 2026-11-23 08:01:40 UTC by root: fails" in text
    assert "10 of 15 that ended in the last day failed" in text
    assert "22.05.8" in text
    assert "23.02.1" in text
    assert 'href="/partitions/all"' in text
    assert 'href="/switches/s1"' in text
    assert 'href="/jobs/101/1"' in text
    view = msgspec.json.decode(await text_of(client, "/api/v1/nodes/n2"), type=EntityView)
    assert [state.word for state in view.states] == ["idle", "drained"]
    (changed,) = view.changes
    assert (changed.label, changed.before, changed.after) == ("slurmd", "22.05.8", "23.02.1")


async def test_a_node_of_before_is_as_it_was(client: Client) -> None:
    view = msgspec.json.decode(await text_of(client, f"/nodes/n2.json?at={BEGIN_S + 60}"), type=EntityView)
    assert view.state is not None
    assert (view.state.word, view.state.to_ns) == ("idle", None)
    assert view.sentence.startswith("Idle since")
    early = await client.get(f"/nodes/n2.json?at={BEGIN_S - 5000}&since={BEGIN_S - 6000}")
    assert msgspec.json.decode(await early.read(), type=EntityView).facts == ()


async def test_a_list_has_what_is_out_of_service_first(client: Client) -> None:
    view = msgspec.json.decode(await text_of(client, "/nodes.json"), type=EntitiesView)
    assert [row.name for row in view.rows] == ["n2", "n1", EVIL]
    assert view.rows[0].partitions == ("all",)
    assert view.counts == {"idle": 2, "drained": 1}
    assert (await text_of(client, "/nodes.csv")).splitlines()[1].startswith("n2,IDLE+DRAIN,")


async def test_the_common_cause_is_named_with_its_counts(client: Client) -> None:
    view = msgspec.json.decode(await text_of(client, "/api/v1/common-cause"), type=CommonCauseView)
    subject = "Node n2, or slurmd 22.05.8 or software dpkg openmpi 4.1.5 in the same runs,"
    assert view.sentence == f"{subject} explains 10 of 10 failures: 10 of 15 with it failed, 0 of 15 without."
    first = view.causes[0].cause
    assert first.is_named
    assert first.q < 0.05
    empty = msgspec.json.decode(await text_of(client, f"/common-cause.json?to={BEGIN_S - 100}"), type=CommonCauseView)
    assert empty.sentence == "No run failed in this window; 0 succeeded."


async def test_neighbours_blast_radius_and_difference_as_data(client: Client) -> None:
    around = msgspec.json.decode(await text_of(client, "/api/v1/inventory/node/n2?depth=1"), type=NeighbourhoodView)
    assert {(one.kind, one.name) for one in around.entities} == {
        ("node", "n2"),
        ("partition", "all"),
        ("switch", "s1"),
        ("job", "7"),
    }
    touched = msgspec.json.decode(
        await text_of(client, "/api/v1/inventory/switch/s1/blast-radius"), type=BlastRadiusView
    )
    assert (touched.sentence, [run.job_id for run in touched.jobs]) == ("1 job of 1 user on 2 nodes.", [7])
    then = await text_of(client, f"/api/v1/inventory/node/n2/difference?then={BEGIN_S}")
    changed = {
        one.attribute: (one.left, one.right) for one in msgspec.json.decode(then, type=DifferenceView).differences
    }
    assert changed["state"] == ("IDLE", "IDLE+DRAIN")
    assert changed["slurm_version"] == ("22.05.8", "23.02.1")


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/nodes/n99", 404, "knows no node"),
        ("/nodes/n2?at=yesterday", 400, "is no moment"),
        ("/nodes/n2?at=2026-11-23T10:00:00", 400, "is no moment"),
        ("/nodes/n2?at=99999999999999", 400, "is no moment"),
        ("/inventory/node/n2?depth=99", 400, "depth="),
        ("/inventory/planet/mars", 404, "no kind of thing"),
        ("/common-cause?from=100&to=50", 400, "ends before it begins"),
        ("/switches/s1.csv", 404, "has no table"),
    ],
)
async def test_what_cannot_be_answered_says_why(client: Client, path: str, status: int, words: str) -> None:
    answer = await client.get(path)
    assert answer.status == status
    assert words in await answer.text()


async def test_a_moment_may_have_a_zone(client: Client) -> None:
    view = msgspec.json.decode(await text_of(client, "/nodes/n2.json?at=2026-11-23T09:01:00%2B01:00"), type=EntityView)
    assert view.at_ns == moment(60)
    assert view.state is not None
    assert view.state.word == "idle"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["node"], ["drained", "n2", "3 nodes"]),
        (["node", "n2"], ["Drained since", "slurmd", "22.05.8 → 23.02.1", "in partition"]),
        (["partition", "all"], ["contains node"]),
        (["user", "alice"], ["charges account", "acct1"]),
        (["inventory", "node", "n2"], ["switch s1", "partition all"]),
        (["inventory", "node", "n1", "--with", "n2"], ["They differ", "IDLE+DRAIN"]),
        (["inventory", "software", "openmpi"], ["2 of the 2 nodes", "in 2 versions", "4.1.4", "4.1.5"]),
        (["inventory", "software"], ["dpkg", "2 nodes, 2 sets"]),
        (["inventory", "node", "n1", "--software"], ["dpkg: 3 packages", "libc6", "2.36"]),
        (["inventory", "node", "n1", "--with", "n2"], ["1 package", "dpkg openmpi", "4.1.4", "4.1.5"]),
        (["common-cause"], ["Node n2", "10 of 15 with it", "● node n2", "after correction"]),
        (["blast-radius", "switch", "s1"], ["1 job of 1 user on 2 nodes", "alice (1)"]),
    ],
)
async def test_the_terminal_shows_the_same(
    client: Client, capsys: pytest.CaptureFixture[str], arguments: list[str], words: list[str]
) -> None:
    hub = f"http://{client.host}:{client.port}"
    assert await asyncio.to_thread(main, [*arguments, "--hub", hub]) == 0
    shown = capsys.readouterr().out
    for word in words:
        assert word in shown, shown
    assert "\x1b" not in shown
    assert await asyncio.to_thread(main, [*arguments, "--hub", hub, "--json"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)


async def test_the_terminal_says_what_is_not_there(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    hub = f"http://{client.host}:{client.port}"
    assert await asyncio.to_thread(main, ["node", "n99", "--hub", hub]) == 1
    assert "knows no node" in capsys.readouterr().err
