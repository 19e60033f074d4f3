"""One call makes the line and the count; a flood is cut in the log and never in the count."""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import InternalEvent, Reporter
from slurmlens.telemetry.log import configure
from testkit.manual_clock import ManualClock

REFUSED = InternalEvent(
    "event_refused", logging.WARNING, "{path}: {message}; moved aside", ("reason",), lines_per_minute=3
)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    logger = configure("info", "line", stream)
    yield stream
    logger.handlers.clear()


def test_one_call_makes_the_line_and_the_count(clock: ManualClock, lines: io.StringIO) -> None:
    counters = Counters()
    Reporter(counters, clock).report(REFUSED, reason="malformed", path="a.json", message="no JSON")
    assert counters.snapshot() == {'event_refused_total{reason="malformed"}': 1}
    assert "WARNING a.json: no JSON; moved aside  event=event_refused reason=malformed" in lines.getvalue()


def test_a_count_of_many_is_one_line(clock: ManualClock, lines: io.StringIO) -> None:
    reporter = Reporter(Counters(), clock)
    reporter.report(REFUSED, count=7, reason="age", path="p", message="m")
    assert reporter.counters.snapshot() == {'event_refused_total{reason="age"}': 7}
    assert lines.getvalue().count("\n") == 1


def test_a_line_may_name_the_count(clock: ManualClock, lines: io.StringIO) -> None:
    taken = InternalEvent("events_taken", logging.WARNING, "took {count} events of {node}")
    Reporter(Counters(), clock).report(taken, count=7, node="n1")
    assert "took 7 events of n1" in lines.getvalue()


def test_a_flood_is_cut_in_the_log_told_afterwards_and_counted_whole(clock: ManualClock, lines: io.StringIO) -> None:
    reporter = Reporter(Counters(), clock)
    for _ in range(10):
        reporter.report(REFUSED, reason="malformed", path="p", message="m")
    reporter.report(REFUSED, reason="version", path="p", message="m")
    assert lines.getvalue().count("\n") == 4
    clock.advance(60)
    reporter.report(REFUSED, reason="malformed", path="p", message="m")
    assert "(7 more like this in the last minute)" in lines.getvalue()
    assert reporter.counters.snapshot()['event_refused_total{reason="malformed"}'] == 11


def test_json_lines_carry_time_level_event_and_fields(clock: ManualClock) -> None:
    stream = io.StringIO()
    logger = configure("info", "auto", stream)
    Reporter(Counters(), clock).report(REFUSED, reason="malformed", path="p\n", message="m", name="kept apart")
    logger.handlers.clear()
    document = json.loads(stream.getvalue())
    assert document["log.level"] == "warning"
    assert document["@timestamp"].endswith("Z")
    assert (document["event"], document["reason"], document["path"]) == ("event_refused", "malformed", "p\n")
    assert (document["name_"], document["message_"]) == ("kept apart", "m")
    assert document["message"] == "p\n: m; moved aside"


def test_a_file_name_that_is_no_utf_8_is_written_escaped(clock: ManualClock) -> None:
    stream = io.StringIO()
    logger = configure("info", "json", stream)
    Reporter(Counters(), clock).report(REFUSED, reason="malformed", path=os.fsdecode(b"\xff.json"), message="m")
    logger.handlers.clear()
    assert json.loads(stream.getvalue())["path"] == "\\udcff.json"


def test_what_is_below_the_level_is_counted_and_not_written(clock: ManualClock, lines: io.StringIO) -> None:
    counters = Counters()
    Reporter(counters, clock).report(InternalEvent("tick", logging.DEBUG, "tick"))
    assert counters.snapshot() == {"tick_total": 1}
    assert lines.getvalue() == ""


def test_a_traceback_reaches_the_log(lines: io.StringIO) -> None:
    try:
        raise OSError("disk")
    except OSError:
        logging.getLogger("slurmlens").exception("stage failed")
    assert "OSError: disk" in lines.getvalue()


@given(st.text())
def test_no_message_can_forge_a_second_line_or_steer_the_terminal(text: str) -> None:
    stream = io.StringIO()
    logger = configure("info", "line", stream)
    Reporter(Counters(), ManualClock()).report(REFUSED, reason="malformed", path=text, message="m")
    logger.handlers.clear()
    written = stream.getvalue()
    assert written.endswith("\n")
    assert written[:-1].isprintable()
