"""There is one way to read the hub: as somebody. No public read goes without its viewer."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.checkout import ROOT

HUB = ROOT / "daemon" / "slurmlens" / "hub"

FRONT_DOORS = (
    ("history/read/queries.py", "Queries"),
    ("inventory/read/queries.py", "InventoryQueries"),
    ("progress/read.py", "ProgressQueries"),
    ("usage/read.py", "UsageQueries"),
    ("findings/read.py", "FindingQueries"),
    ("web/ports.py", "HistoryQueries"),
    ("logs/store.py", "LogReads"),
    ("web/ports.py", "LiveFeed"),
    ("web/ports.py", "ProgressReads"),
    ("web/view_cache.py", "ViewCache"),
)
"""Classes that answer what leaves the hub: each public method takes a viewer first."""

OWN_NEEDS = {
    "access/account_people.py": {"of": "who may see what is decided by it, before there is a viewer"},
    "access/tokens.py": {"user_of_session": "makes the viewer"},
    "database/change_feed.py": {"nobody_follows": "whether there is a feed to end"},
    "graph/projecting.py": {
        "run": "how many changes wait",
        "step": "what changed, to write it into the graph, which operators see",
        "_trim": "how long the feed is",
    },
    "database/retention.py": {"load": "how much went before", "_step": "what is too old, to take it away"},
    "logs/enriching.py": {"enriched"},
    "findings/keeping.py": {"load": "what stood when the hub stopped, to go on with it"},
    "history/reconcile.py": {"reconcile": "which sightings are open, to close them"},
    "history/record/applying.py": {"load": "row numbers and heartbeats, at the start"},
    "history/record/packing.py": {"pack": "bodies, to pack the profiles in them"},
    "history/record/node_beats.py": {
        "keep_closed": "what other hubs closed, to open it again",
        "read_others": "heartbeats that other hubs heard",
    },
    "history/refresh.py": {"refresh": "which jobs are stale, to conclude them"},
    "scheduler/records.py": {
        "open_executions": "which executions to ask the scheduler about",
        "nodes": "the scheduler's nodes, from whose addresses a node may speak",
    },
    "mail/queue.py": {"states": "what was queued before, to queue nothing twice"},
    "usage/node_keeping.py": {
        "close_hours": "which hours are over, to count them",
        "step": "what the nodes did in an hour, to keep it",
    },
    "workflows/store.py": {
        "_ended_in": "which runs a workflow is to be started for",
        "runs_of": "the same, of jobs that findings touched",
        "due": "triggers that wait, to carry them on",
        "under_way": "how many there are, to start no more than the settings allow",
    },
    "scheduler/unconfirmed.py": {"end": "runs that the nodes alone ended, to end them"},
}
"""What stages read to do their work and hand to nobody outside the hub, and what for; everything else that opens a
transaction for reading takes a viewer."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST) -> Iterator[Function]:
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield node


def takes_viewer_first(function: Function) -> bool:
    named = [one for one in (*function.args.posonlyargs, *function.args.args) if one.arg != "self"]
    annotations = [ast.unparse(one.annotation) if one.annotation else "" for one in named]
    return [(one.arg, annotation) for one, annotation in zip(named, annotations, strict=True)][:1] == [
        ("viewer", "Viewer")
    ]


def opens_read(function: Function) -> bool:
    """Whether it calls `.read()` of a store: the only way to a connection that reads."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "read"
        and "store" in ast.unparse(node.func.value).lower()
        for node in ast.walk(function)
    )


@pytest.mark.parametrize(("module", "name"), FRONT_DOORS)
def test_every_public_read_of_a_front_door_takes_its_viewer_first(module: str, name: str) -> None:
    tree = ast.parse((HUB / module).read_text())
    (owner,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    public = [one for one in owner.body if isinstance(one, Function) and not one.name.startswith("_")]
    assert public
    assert [one.name for one in public if not takes_viewer_first(one)] == []


@pytest.mark.parametrize("path", sorted(HUB.rglob("*.py")), ids=lambda path: str(path.relative_to(HUB)))
def test_who_opens_the_database_for_reading_knows_for_whom(path: Path) -> None:
    allowed = OWN_NEEDS.get(str(path.relative_to(HUB)), {})
    nameless = [
        one.name
        for one in functions(ast.parse(path.read_text()))
        if opens_read(one) and not takes_viewer_first(one) and one.name not in allowed
    ]
    assert nameless == [], "take `viewer: Viewer` first and add its predicate"


@pytest.mark.parametrize("path", sorted(HUB.rglob("read/*.py")), ids=lambda path: str(path.relative_to(HUB)))
def test_a_reader_that_selects_runs_adds_the_viewers_predicate(path: Path) -> None:
    for function in functions(ast.parse(path.read_text())):
        text = ast.unparse(function)
        selects_runs = any(one in text for one in ("select(schema.runs", "select(runs", "runs.c.job_id)"))
        assert not selects_runs or "visible_runs(" in text, f"{function.name} reads runs without asking who looks"


@pytest.mark.parametrize("path", sorted((HUB / "web").rglob("*.py")), ids=lambda path: path.name)
def test_only_the_door_makes_a_viewer(path: Path) -> None:
    assert path.name == "session.py" or "EVERYBODY" not in path.read_text(), "ask web.session who looks"


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, own in OWN_NEEDS.items() for name in own])
def test_what_is_excepted_still_reads_and_takes_no_viewer(module: str, name: str) -> None:
    found = [one for one in functions(ast.parse((HUB / module).read_text())) if one.name == name and opens_read(one)]
    assert found, "the exception is not needed any more"
    assert not any(takes_viewer_first(one) for one in found)


@pytest.mark.parametrize("path", sorted((HUB / "web").rglob("*.py")), ids=lambda path: str(path.relative_to(HUB)))
def test_no_page_knows_a_stage_that_reads_for_itself(path: Path) -> None:
    stages = {f"slurmlens.hub.{module.removesuffix('.py').replace('/', '.')}" for module in OWN_NEEDS}
    imported = {node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
    assert imported & {name for name in stages if ".access." not in name} == set()
