"""What the status page calls odd, by weight, and how the terminal says it."""

from __future__ import annotations

import datetime

import msgspec
import pytest

from slurmlens.events import DroppedLines
from slurmlens.hub.logs.store import StoreDay, StoreHealth, StoreNode
from slurmlens.hub.views.status.build import MOST_NODES_SHOWN, build_status_view
from slurmlens.hub.views.status.terminal import render_status
from slurmlens.hub.views.status.view import (
    AgedDocument,
    DatabaseDocument,
    KafkaShareDocument,
    LoopDocument,
    NodeDocument,
    SchedulerDocument,
    SinkDocument,
    StageDocument,
    StatusDocument,
    StatusView,
    Weight,
    WorkerDocument,
    WorkerToldDocument,
)
from slurmlens.shown.terminal import Sheet

NOW_NS = 1_795_420_800 * 10**9
S = 10**9


def a_well_hub(**changes: object) -> StatusDocument:
    well = StatusDocument(
        version="1",
        cluster="demo",
        now_ns=NOW_NS,
        scheduler=SchedulerDocument(release="22.05", asked_since_ns=NOW_NS - 3600 * S, last_queue_ns=NOW_NS - 20 * S),
        stages={"queue": StageDocument(running=True)},
        nodes=(NodeDocument(node="c1", last_heard_ns=NOW_NS - 5 * S, version="1", interval_s=60.0, skew_s=0.01),),
    )
    return msgspec.structs.replace(well, **changes)


def a_node(name: str, **changes: object) -> NodeDocument:
    node = NodeDocument(node=name, last_heard_ns=NOW_NS - 5 * S, version="1", interval_s=60.0)
    return msgspec.structs.replace(node, **changes)


def weights(view: StatusView) -> list[Weight]:
    return [oddity.weight for oddity in view.oddities]


def test_where_all_is_well_nothing_is_odd() -> None:
    view = build_status_view(a_well_hub())
    assert view.oddities == ()
    assert view.sentence == "All is well; 1 node of 1 heard of."


DROPPED = (DroppedLines(stream="events", reason="age", lines=3, since_ns=NOW_NS - 60 * S),)


@pytest.mark.parametrize(
    ("changes", "weight", "words"),
    [
        (
            {"retention": (AgedDocument(kind="bodies", kept_s=86_400.0, removed=3, last_ns=1, behind_s=172_800.0),)},
            Weight.LOOK,
            "bodies are kept for 2 d longer than they should be",
        ),
        ({"nodes": (a_node("c1", dropped=DROPPED),)}, Weight.LOST, "3 lines were given up by c1"),
        ({"nodes": (a_node("c1", last_heard_ns=NOW_NS - 181 * S),)}, Weight.LOOK, "1 node silent: c1"),
        ({"nodes": (a_node("c1", skew_s=-54.0),)}, Weight.LOOK, "the clock of c1 is 54 s behind"),
        (
            {"nodes": (a_node("c1", boot_id="aa", other_boot_id="bb", contested_ns=NOW_NS - 60 * S),)},
            Weight.LOOK,
            "two daemons claim to be c1: boots aa and bb",
        ),
        (
            {"database": DatabaseDocument(path="/dev/shm/hub.db", file_system="tmpfs", durability="volatile")},
            Weight.LOOK,
            "/dev/shm/hub.db is on tmpfs: the history is gone with the next reboot",
        ),
        (
            {"database": DatabaseDocument(path="/nfs/hub.db", file_system="nfs4", durability="network")},
            Weight.LOOK,
            "/nfs/hub.db is on nfs4",
        ),
        (
            {"counters": {'profiles_unreadable_total{reason="value"}': 2.0, "other_total": 5.0}},
            Weight.LOST,
            "2 profiles of jobs could not be read (value)",
        ),
        ({"database": DatabaseDocument(path="/v/hub.db", is_there=False)}, Weight.LOST, "removed or replaced while"),
        ({"database": DatabaseDocument(path="/v/hub.db", begin="missing")}, Weight.LOST, "history of before is gone"),
        ({"database": DatabaseDocument(path="/v/hub.db", begin="replaced")}, Weight.NOTE, "not the file that the last"),
        ({"scheduler": SchedulerDocument(asked_since_ns=NOW_NS - 500 * S, last_error="no")}, Weight.LOOK, "answer: no"),
        ({"stages": {"queue": StageDocument(last_error="boom")}}, Weight.LOOK, "“queue” failed: boom"),
        (
            {"sinks": (SinkDocument(name="carbon", backlog_lines=40, failures_in_a_row=2, last_error="refused"),)},
            Weight.LOOK,
            "carbon does not take the hub's points, 40 lines wait: refused",
        ),
        ({"refused": {"cluster": 7}}, Weight.LOOK, "7 refused so far: cluster"),
        ({"refused": {"malformed": 1}}, Weight.NOTE, "1 refused so far: malformed"),
        ({"held": {"no-record": 2}}, Weight.NOTE, "2 sightings fit no run yet"),
        ({"loop": LoopDocument(longest_hold_ms=80.0, longest_hold_ns=NOW_NS, held=2)}, Weight.NOTE, "held for 80 ms"),
    ],
)
def test_what_is_odd_is_said_with_its_weight_and_what_to_do(
    changes: dict[str, object], weight: Weight, words: str
) -> None:
    [oddity] = build_status_view(a_well_hub(**changes)).oddities
    assert oddity.weight is weight
    assert words in oddity.what
    assert oddity.advice


def test_a_node_that_beats_seldom_is_not_silent_before_three_beats() -> None:
    slow = a_node("c1", interval_s=300.0, last_heard_ns=NOW_NS - 800 * S)
    assert build_status_view(a_well_hub(nodes=(slow,))).oddities == ()


def test_a_name_is_no_longer_contested_some_minutes_after_one_of_the_two_fell_silent() -> None:
    node = a_node("c1", boot_id="aa", other_boot_id="bb", contested_ns=NOW_NS - 601 * S)
    assert build_status_view(a_well_hub(nodes=(node,))).oddities == ()


@pytest.mark.parametrize("begin", ["new", "same"])
def test_a_database_on_a_disk_that_was_there_before_or_is_the_first_one_is_nothing_odd(begin: str) -> None:
    database = DatabaseDocument(path="/var/lib/slurmlens/hub.sqlite3", file_system="xfs", begin=begin)
    assert build_status_view(a_well_hub(database=database)).oddities == ()


def test_what_is_lost_comes_before_what_is_noted() -> None:
    view = build_status_view(a_well_hub(nodes=(a_node("c1", dropped=DROPPED),), held={"no-record": 1}))
    assert weights(view) == [Weight.LOST, Weight.NOTE]
    assert view.sentence.startswith("Something was lost")


def test_of_many_nodes_the_odd_ones_are_shown_first_and_the_rest_counted() -> None:
    nodes = (*(a_node(f"n{number:04}") for number in range(1000)), a_node("z", dropped=DROPPED))
    view = build_status_view(a_well_hub(nodes=nodes))
    assert view.nodes[0].node == "z"
    assert (len(view.nodes), view.node_count) == (MOST_NODES_SHOWN, 1001)


def test_the_terminal_says_the_same_in_80_columns_and_lets_no_name_act() -> None:
    evil = a_node("c1\x1b[31m", last_heard_ns=NOW_NS - 900 * S)
    text = render_status(build_status_view(a_well_hub(nodes=(evil,), refused={"cluster": 2})), Sheet(datetime.UTC))
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert "silent" in text
    assert "make `cluster` the same" in " ".join(text.split())


def test_the_document_of_a_later_release_is_read_as_far_as_it_is_known() -> None:
    body = b'{"version":"9","cluster":"demo","now_ns":5,"surprise":[1],"nodes":[{"node":"c1","last_heard_ns":1,"x":2}]}'
    assert msgspec.json.decode(body, type=StatusDocument).nodes[0].node == "c1"


def test_a_hub_that_heard_of_nobody_does_not_say_that_all_is_well() -> None:
    assert build_status_view(a_well_hub(nodes=())).sentence == "No node has been heard of yet."


def a_hub(name: str, **changes: object) -> WorkerDocument:
    told = WorkerToldDocument(
        host=name, version="1", watchers=2, kafka=KafkaShareDocument(topic="events", waiting={0: 3, 2: 4})
    )
    return msgspec.structs.replace(WorkerDocument(worker=f"{name}:8080", told=told), **changes)


def test_of_several_hubs_the_status_says_who_leads_and_what_each_does() -> None:
    document = a_well_hub(worker="h2:8080", workers=(a_hub("h1", leads_s=90.0), a_hub("h2")))
    view = build_status_view(document)
    assert view.oddities == ()
    text = render_status(view, Sheet(zone=datetime.UTC, columns=100))
    assert "hub h1:8080 leads for 1 min 30 s, 2 live pages; 2 partitions of events, 7 records behind" in text
    assert "hub h2:8080 (this one) works" in text


def test_a_hub_that_is_not_heard_of_and_that_none_leads_are_worth_a_look() -> None:
    view = build_status_view(a_well_hub(workers=(a_hub("h1", silent_s=90.0, leads_s=500.0), a_hub("h2"))))
    assert weights(view) == [Weight.LOOK, Weight.LOOK]
    assert "h1:8080 is not heard of for 1 min 30 s" in view.oddities[0].what
    assert "none of the hubs asks the scheduler" in view.oddities[1].what


def test_a_topic_that_cannot_be_read_is_worth_a_look() -> None:
    [oddity] = build_status_view(a_well_hub(kafka=KafkaShareDocument(topic="events", last_error="no broker"))).oddities
    assert "events is not read from Kafka now: no broker" in oddity.what


def a_search_server(**changes: object) -> StoreHealth:
    days = (StoreDay("slurmlens-logs-2026.11.29", 10, 2_000, "green"), StoreDay("slurmlens-logs-2026.11.30", 5, 1_000))
    nodes = (StoreNode("search1", 40, 70.0), StoreNode("search2", 50, 91.0, rejected=7))
    health = StoreHealth(
        kind="OpenSearch", place="http://search:9200", state="green", version="2.19.1", nodes=nodes, days=days, shards=2
    )
    return msgspec.structs.replace(health, **changes)


def test_where_log_lines_are_kept_is_said_and_what_it_rejected() -> None:
    view = build_status_view(a_well_hub(logs=a_search_server()))
    assert view.logs is not None
    assert view.logs.sentence == "OpenSearch 2.19.1 at http://search:9200: green, 2 days, 3.0 kB"
    assert [oddity.what for oddity in view.oddities] == ["7 writes rejected by search2 since its start"]
    assert "log lines in OpenSearch 2.19.1" in render_status(view, Sheet(zone=datetime.UTC, columns=100))


def test_a_search_server_that_is_away_or_read_only_needs_a_look() -> None:
    away = StoreHealth(kind="search server", place="http://search:9200", state="away", problem="is not reached")
    view = build_status_view(a_well_hub(logs=away))
    assert weights(view) == [Weight.LOOK]
    assert "is away: is not reached" in view.oddities[0].what
