"""A job's time line: what is on it, in which order, and what a wide job costs."""

from __future__ import annotations

import datetime

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.hub.history.facts import DroppedEvents, JobFacts
from slurmlens.hub.logs.store import Slot
from slurmlens.hub.views.job.build import build_job_view
from slurmlens.hub.views.job_timeline.build import build_timeline, log_width_s, window_of
from slurmlens.hub.views.job_timeline.rows import timeline_rows
from slurmlens.hub.views.job_timeline.series import MOST_VALUES, node_series, series_grid
from slurmlens.hub.views.job_timeline.table import timeline_csv
from slurmlens.hub.views.job_timeline.terminal import render_timeline
from slurmlens.hub.views.job_timeline.view import EventOf, JobTimelineView
from slurmlens.shown.terminal import NARROW, Sheet
from slurmlens.shown.text import width
from testkit.inventories import held
from testkit.job_gallery import GALLERY, failed_on_faulty_node
from testkit.job_parts import START_NS, S, make_node, make_profile, small_courses

AROUND_S = 60
DRAINED_NS = START_NS + 12 * S
ZONE = datetime.timezone(datetime.timedelta(hours=5, minutes=30), "IST")
TOLD = (
    held("node c2", "state", "ALLOCATED", START_NS - 3600 * S, DRAINED_NS),
    held("node c2", "state", "ALLOCATED+DRAIN", DRAINED_NS),
    held("node c2", "reason", "bad fan", DRAINED_NS),
    held("node c2", "reason_by", "root", DRAINED_NS),
)


def timeline_of(facts: JobFacts) -> JobTimelineView:
    slots = (Slot(START_NS + 2 * S, 34, 2),)
    return build_timeline(facts, build_job_view(facts), AROUND_S, TOLD, slots)


def test_what_its_nodes_went_through_stands_among_the_jobs_own_events() -> None:
    view = timeline_of(failed_on_faulty_node())
    assert [event for event in view.events if event.of is EventOf.NODE and event.where == "c2"] == [
        event for event in view.events if event.text == "node draining by root: bad fan"
    ], "the state from before the window is none of its events"
    times_s = [event.time_ns // NS_PER_S for event in view.events]
    assert times_s == sorted(times_s)
    marks = [mark.text for mark in build_job_view(failed_on_faulty_node()).marks]
    assert [event.text for event in view.events if event.of is EventOf.JOB] == marks, "as on the job's page"


def test_each_node_has_its_own_series_on_one_axis_however_many_there_are() -> None:
    few = timeline_of(failed_on_faulty_node())
    assert {(one.node, one.column) for one in few.series} >= {("c1", "cpu_cores"), ("c2", "cpu_cores")}
    nodes = tuple(make_node(f"n{n}", 31, profile=make_profile(31, small_courses(n))) for n in range(40))
    wide = timeline_of(msgspec.structs.replace(failed_on_faulty_node(), nodes=nodes))
    assert {one.node for one in wide.series if one.column == "cpu_cores"} == {node.node for node in nodes}
    assert all(len(one.values) == len(wide.times_s) for one in wide.series)
    assert sum(len(one.values) for one in wide.series) <= MOST_VALUES


def test_a_very_wide_jobs_bins_are_wider() -> None:
    profile = make_profile(3600, small_courses(3))
    nodes = (make_node("n1", 3600, profile=profile),) * 200
    alone, crowd = (series_grid(some, START_NS, START_NS + 3600 * S) for some in (nodes[:1], nodes))
    assert alone is not None
    assert crowd is not None
    assert crowd.width_ns > alone.width_ns
    assert sum(len(one.values) for one in node_series(nodes, crowd)) <= MOST_VALUES


def test_the_window_is_the_run_and_a_margin_and_never_the_future() -> None:
    facts = failed_on_faulty_node()
    from_ns, until_ns = window_of(facts, AROUND_S)
    assert from_ns == (facts.start_ns or 0) - AROUND_S * S
    assert until_ns == min((facts.end_ns or 0) + AROUND_S * S, facts.as_of_ns)
    assert log_width_s(0, 120 * S) == 1
    assert log_width_s(0, 30 * 86_400 * S) == 21_600


def test_the_report_keeps_within_80_columns_in_the_readers_zone() -> None:
    facts = failed_on_faulty_node()
    text = render_timeline(timeline_of(facts), Sheet(zone=ZONE))
    assert all(width(line) <= NARROW for line in text.splitlines())
    assert " IST: the run and 1 min around it" in text
    drained = datetime.datetime.fromtimestamp(DRAINED_NS / NS_PER_S, ZONE).strftime("%H:%M:%S")
    assert f"  {drained}  node     node draining by root: bad fan  c2" in text
    assert "log      34 lines logged within 2.0 s, 2 errors among them" in text


def test_page_csv_and_report_have_the_same_rows() -> None:
    view = timeline_of(failed_on_faulty_node())
    rows = timeline_rows(view)
    assert len(timeline_csv(view).splitlines()) == len(rows) + 1
    text = render_timeline(view, Sheet(zone=ZONE, columns=200, full=True))
    assert all(row.text in text for row in rows)


def test_every_job_of_the_gallery_has_one() -> None:
    for make in GALLERY.values():
        facts = make()
        view = timeline_of(facts)
        assert msgspec.json.decode(msgspec.json.encode(view), type=JobTimelineView) == view
        assert all(width(line) <= NARROW for line in render_timeline(view, Sheet(zone=ZONE)).splitlines())


def test_what_a_daemon_lost_and_a_clock_that_is_off_are_said() -> None:
    lossy = make_node(
        "c1", 31, skew_s=-2.5, dropped=DroppedEvents(lines=3, from_ns=START_NS + S, until_ns=START_NS + 2 * S)
    )
    view = timeline_of(msgspec.structs.replace(failed_on_faulty_node(), nodes=(lossy,)))
    assert [event.text for event in view.events if event.kind == "lost"] == ["its daemon had to give up 3 events"]
    assert "The clock of c1 is 2.5 s behind the hub's." in render_timeline(view, Sheet(zone=ZONE))
