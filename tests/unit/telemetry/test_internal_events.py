"""One call makes the line and the count; a flood is cut in the log and never in the count."""

from __future__ import annotations

import io
import json
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import HOUR_S, InternalEvent, Reporter, lasting
from slurmlens.telemetry.log import configure
from testkit.checkout import ROOT
from testkit.manual_clock import ManualClock

REFUSED = InternalEvent("event_refused", logging.WARNING, "{path}: {problem}; moved aside", ("reason",), lines=3)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    logger = configure("info", "line", "slurmlens-test", stream)
    yield stream
    logger.handlers.clear()


def test_one_call_makes_the_line_and_the_count(clock: ManualClock, lines: io.StringIO) -> None:
    counters = Counters()
    Reporter(counters, clock).report(REFUSED, reason="malformed", path="a.json", problem="no JSON")
    assert counters.snapshot() == {'event_refused_total{reason="malformed"}': 1}
    assert "WARNING a.json: no JSON; moved aside  event=event_refused reason=malformed" in lines.getvalue()


def test_a_count_of_many_is_one_line(clock: ManualClock, lines: io.StringIO) -> None:
    reporter = Reporter(Counters(), clock)
    reporter.report(REFUSED, count=7, reason="age", path="p", problem="m")
    assert reporter.counters.snapshot() == {'event_refused_total{reason="age"}': 7}
    assert lines.getvalue().count("\n") == 1


def test_a_line_may_name_the_count(clock: ManualClock, lines: io.StringIO) -> None:
    taken = InternalEvent("events_taken", logging.WARNING, "took {count} events of {node}")
    Reporter(Counters(), clock).report(taken, count=7, node="n1")
    assert "took 7 events of n1" in lines.getvalue()


def test_a_flood_is_cut_in_the_log_told_afterwards_and_counted_whole(clock: ManualClock, lines: io.StringIO) -> None:
    reporter = Reporter(Counters(), clock)
    for _ in range(10):
        reporter.report(REFUSED, reason="malformed", path="p", problem="m")
    reporter.report(REFUSED, reason="version", path="p", problem="m")
    assert lines.getvalue().count("\n") == 4
    clock.advance(60)
    reporter.report(REFUSED, reason="malformed", path="p", problem="m")
    assert "(7 more like this in the last minute)" in lines.getvalue()
    assert reporter.counters.snapshot()['event_refused_total{reason="malformed"}'] == 11


def test_json_lines_carry_time_level_event_and_fields(clock: ManualClock) -> None:
    stream = io.StringIO()
    logger = configure("info", "auto", "slurmlens-test", stream)
    Reporter(Counters(), clock).report(REFUSED, reason="malformed", path="p\n", problem="m", name="kept apart")
    logger.handlers.clear()
    document = json.loads(stream.getvalue())
    assert document["log.level"] == "warning"
    assert document["@timestamp"].endswith("Z")
    assert (document["event"], document["reason"], document["path"]) == ("event_refused", "malformed", "p\n")
    assert (document["name_"], document["problem"]) == ("kept apart", "m")
    assert document["message"] == "p\n: m; moved aside"


def test_a_file_name_that_is_no_utf_8_is_written_escaped(clock: ManualClock) -> None:
    stream = io.StringIO()
    logger = configure("info", "json", "slurmlens-test", stream)
    Reporter(Counters(), clock).report(REFUSED, reason="malformed", path=os.fsdecode(b"\xff.json"), problem="m")
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
    logger = configure("info", "line", "slurmlens-test", stream)
    Reporter(Counters(), ManualClock()).report(REFUSED, reason="malformed", path=text, problem="m")
    logger.handlers.clear()
    written = stream.getvalue()
    assert written.endswith("\n")
    assert written[:-1].isprintable()


AWAY = lasting("receiver_away", logging.WARNING, "{sink} takes nothing: {problem}", ("sink", "reason"))


def test_a_trouble_that_lasts_has_a_line_when_it_begins_and_one_an_hour(clock: ManualClock, lines: io.StringIO) -> None:
    reporter = Reporter(Counters(), clock)
    for _ in range(3 * HOUR_S // 60):
        reporter.report(AWAY, sink="hub", reason="connect", problem="refused")
        clock.advance(60)
    assert lines.getvalue().count("\n") == 3
    assert "(59 more like this in the last hour)" in lines.getvalue()
    assert reporter.counters.snapshot() == {'receiver_away_total{sink="hub",reason="connect"}': 180}


def test_the_next_trouble_after_its_end_is_written_at_once(clock: ManualClock, lines: io.StringIO) -> None:
    reporter = Reporter(Counters(), clock)
    for sink in ("hub", "carbon", "hub"):
        reporter.report(AWAY, sink=sink, reason="connect", problem="refused")
    assert lines.getvalue().count("\n") == 2
    reporter.over(AWAY, "hub")
    reporter.report(AWAY, sink="hub", reason="connect", problem="refused")
    reporter.report(AWAY, sink="carbon", reason="connect", problem="refused")
    assert lines.getvalue().count("\n") == 3


def test_the_journal_gets_each_lines_priority_and_a_file_does_not(
    clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "out").open("w+") as stream:
        status = os.fstat(stream.fileno())
        for journal in (f"{status.st_dev}:{status.st_ino}", f"{status.st_dev}:{status.st_ino + 1}"):
            monkeypatch.setenv("JOURNAL_STREAM", journal)
            logger = configure("info", "json", "slurmlens-test", stream)
            reporter = Reporter(Counters(), clock)
            for level in (logging.INFO, logging.WARNING, logging.ERROR):
                reporter.report(InternalEvent("tick", level, "tick"))
            logger.handlers.clear()
        stream.seek(0)
        written = stream.read().splitlines()
    assert [line[:4] for line in written[:3]] == ["<6>{", "<4>{", "<3>{"]
    assert all(line.startswith("{") for line in written[3:])
    assert [json.loads(line[3:])["log.level"] for line in written[:3]] == ["info", "warning", "error"]


def test_no_event_has_a_field_that_a_log_record_keeps_for_itself() -> None:
    """It would be written as `message_`."""
    kept = re.compile(r"\.report\([^()]*\b(message|name|args|module|levelname)=")
    sources = (ROOT / "daemon" / "slurmlens").rglob("*.py")
    assert [path.name for path in sources if kept.search(path.read_text())] == []
