"""Every question that a board asks of a log store is answered by a real OpenSearch; a name is nothing but a name."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import pytest
from aiohttp import ClientSession
from deploy.components.opensearch import OpenSearch

from slurmlens.config.log_store import SearchServerConfig
from slurmlens.hub.dashboards.all_boards import all_boards
from slurmlens.hub.dashboards.grafana import dashboard
from slurmlens.hub.dashboards.inputs import BoardNode, ClusterInputs
from slurmlens.hub.dashboards.line_queries import phrase
from slurmlens.hub.dashboards.model import LineStore
from slurmlens.hub.logs.opensearch_store import OpenSearchStore
from slurmlens.hub.logs.query import JobOwner
from testkit.board_inputs import small_cluster
from testkit.log_store_promises import KEEP_DAYS, line
from testkit.manual_clock import ManualClock

HOSTILE = (
    "*",
    "a OR b",
    'x" OR "y',
    "$__all",
    "n[0 TO 9]",
    "a/b/",
    "a\\",
    "-n1",
    "[[node]]",
    "é\U0001f600",
    "a: b~2^3",
)


class Stored(NamedTuple):
    """A server with lines of every node and user, and the pattern of their indices."""

    server: OpenSearch
    pattern: str


def inputs() -> ClusterInputs:
    small = small_cluster()
    nodes = (*small.nodes, *(BoardNode(name=name, partitions=()) for name in HOSTILE))
    return msgspec.structs.replace(small, nodes=nodes, accounts=("physics",), line_store=LineStore.OPENSEARCH)


@pytest.fixture
async def stored(opensearch: OpenSearch) -> Stored:
    prefix = f"slurmlens-{uuid.uuid4().hex[:12]}"
    store = OpenSearchStore(SearchServerConfig(url=opensearch.url, index=prefix), KEEP_DAYS, ManualClock())
    lines, cluster = [], inputs()
    jobs = {"alice": 4711, "first.last": 4700}
    for number, node in enumerate(cluster.nodes):
        user = cluster.users[number % 2]
        owner = JobOwner(user, "physics", ("all", "gpu")[number % 2])
        told = line(number, f"broken {number}", program="slurmctld", job_id=jobs[user])
        lines.append((msgspec.structs.replace(told, node=node.name, kind="job_started", severity=3), owner))
    await store.append(lines)
    await store.close()
    await ask(opensearch, "POST", "/_refresh")
    return Stored(opensearch, f"{prefix}-*")


async def ask(server: OpenSearch, method: str, path: str, body: Any = None) -> Any:
    async with ClientSession() as session, session.request(method, server.url + path, json=body) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


def as_sent(target: dict[str, Any]) -> dict[str, Any]:
    """What both data sources make of a target: a query string, and its buckets each in the one before."""
    text = {"query_string": {"query": target["query"], "analyze_wildcard": True}}
    aggregations: dict[str, Any] = {}
    inner = aggregations
    for bucket in target["bucketAggs"]:
        settings = dict(bucket["settings"])
        if bucket["type"] == "terms":
            asked = {"field": bucket["field"], "size": int(settings["size"]), "order": {"_count": settings["order"]}}
        else:
            asked = {"field": bucket["field"], "fixed_interval": "1h", "min_doc_count": int(settings["min_doc_count"])}
        inner["aggs"] = {bucket["id"]: {bucket["type"]: asked}}
        inner = inner["aggs"][bucket["id"]]
    size = 0 if target["bucketAggs"] else int(target["metrics"][0]["settings"]["limit"])
    order = [{target["timeField"]: "desc"}]
    return {"query": {"bool": {"filter": [text]}}, "size": size, **({"sort": order} if size else {}), **aggregations}


def line_targets(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            if "metrics" in target:
                yield target


async def test_every_panel_of_lines_on_every_board_is_answered_with_lines(stored: Stored) -> None:
    asked = 0
    for board in all_boards(inputs()):
        for target in line_targets(json.loads(dashboard(board))):
            question = as_sent(target)
            answer = await ask(stored.server, "POST", f"/{stored.pattern}/_search", question)
            is_found = answer["hits"]["total"]["value"] > 0
            assert is_found == (board.name != "empty"), (board.title, target["query"])
            if is_found and "aggregations" in answer:
                (found,) = answer["aggregations"].values()
                assert found["buckets"], (board.title, target)
            asked += 1
    assert asked > 20


async def test_fields_that_are_asked_are_in_the_mapping(stored: Stored) -> None:
    fields = set()
    for board in all_boards(inputs()):
        for target in line_targets(json.loads(dashboard(board))):
            fields |= {target["timeField"], *(bucket["field"] for bucket in target["bucketAggs"])}
    told = await ask(stored.server, "GET", f"/{stored.pattern}/_field_caps?fields={','.join(sorted(fields))}")
    for name in fields:
        assert all(kind["aggregatable"] for kind in told["fields"][name].values()), name


async def test_marks_are_the_error_lines_of_what_the_board_is_of(stored: Stored) -> None:
    for board in all_boards(inputs()):
        marks = [one for one in json.loads(dashboard(board))["annotations"]["list"] if one["name"] == "Error lines"]
        for one in marks:
            question = {"query": {"query_string": {"query": one["query"]}}, "size": 100}
            answer = await ask(stored.server, "POST", f"/{stored.pattern}/_search", question)
            found = [hit["_source"] for hit in answer["hits"]["hits"]]
            assert bool(found) == (board.name != "empty"), board.title
            assert all(one["textField"] in source for source in found)


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_name_finds_its_own_lines_and_no_others(stored: Stored, name: str) -> None:
    question = {"query": {"query_string": {"query": f"host.name:{phrase(name)}"}}, "size": 100}
    answer = await ask(stored.server, "POST", f"/{stored.pattern}/_search", question)
    assert [hit["_source"]["host"]["name"] for hit in answer["hits"]["hits"]] == [name]
