"""Rules make series of lines: each line counts in the interval of its own time, also late; a wrong rule is named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from slurmlens.config.hub import HubConfig
from slurmlens.config.log_store import LogSeriesConfig
from slurmlens.hub.logs.query import NOBODY, JobOwner, LogPlace, LogQuery, StoredLine
from slurmlens.hub.logs.rules import By, LogRule, Value, examine_rules, read_rules
from slurmlens.hub.logs.series import LogSeries
from slurmlens.hub.logs.sqlite_store import SqliteLogStore
from slurmlens.hub.preflight import log_problems
from slurmlens.log_lines import LogLine
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.checkout import ROOT
from testkit.log_store_promises import AT_NS, S, at
from testkit.manual_clock import ManualClock

BEGIN_S = AT_NS // S
LATE_S = 120.0
ALL = LogRule("all", 60, LogQuery())


class Written:
    """What carbon is sent, and the parts that make it."""

    def __init__(self, store: SqliteLogStore, clock: ManualClock) -> None:
        self.store, self.clock, self.counters = store, clock, Counters()
        self.lines: list[str] = []

    def series(self, *rules: LogRule) -> LogSeries:
        reporter = Reporter(self.counters, self.clock)
        return LogSeries(rules, LATE_S, "demo", self._write, self.store, self.clock, reporter)

    def _write(self, payload: bytes, count: int) -> None:
        lines = payload.decode().splitlines()
        assert len(lines) == count
        self.lines += [line.removeprefix("slurm.demo.logs.") for line in lines]

    def at(self, second: int) -> None:
        self.clock.jump_wall(BEGIN_S + second - self.clock.wall_ns() // S)


@pytest.fixture
async def written(tmp_path: Path) -> AsyncIterator[Written]:
    clock = ManualClock()
    store = SqliteLogStore(tmp_path / "logs", 3, clock)
    made = Written(store, clock)
    made.at(0)
    yield made
    await store.close()


def told(second: int, value: float, name: str = "all") -> str:
    return f"{name} {value:g} {BEGIN_S + second}"


async def keep(written: Written, series: LogSeries | None, *seconds: int, **fields: object) -> None:
    lines = [at(number, (BEGIN_S + number) * S, "m", **fields) for number in seconds]
    kept = await written.store.append([(one, NOBODY) for one in lines])
    if series is not None:
        series.hear(kept.new)


async def test_a_line_counts_in_the_interval_of_its_own_time_and_silence_is_zero(written: Written) -> None:
    series = written.series(ALL)
    await series.recount()
    series.tell(BEGIN_S)
    written.lines.clear()
    await keep(written, series, 1, 2, 61)
    for second in (30, 60, 120, 180):
        written.at(second)
        series.tell(BEGIN_S + second)
    assert written.lines == [told(0, 2), told(60, 1), told(120, 0)]


async def test_a_late_line_tells_its_interval_again_and_a_later_one_is_said_to_be_too_late(written: Written) -> None:
    series = written.series(ALL)
    await series.recount()
    await keep(written, series, 61)
    written.at(130)
    series.tell(BEGIN_S + 130)
    written.lines.clear()
    await keep(written, series, 62, 63)
    series.tell(BEGIN_S + 140)
    assert written.lines == [told(60, 3)]
    written.at(400)
    await keep(written, series, 70)
    series.tell(BEGIN_S + 400)
    assert told(60, 4) not in written.lines
    assert written.counters.snapshot()["log_series_lines_too_late_total"] == 1


async def test_a_hub_that_starts_again_counts_the_window_anew(written: Written) -> None:
    await keep(written, None, 1, 2, 61)
    written.at(90)
    series = written.series(ALL)
    late = await written.store.append([(at(65, (BEGIN_S + 65) * S), NOBODY)])
    series.hear(late.new)  # heard while it counts, and found as well
    await series.recount()
    await keep(written, series, 80)
    written.at(125)
    series.tell(BEGIN_S + 125)
    assert [line for line in written.lines if not line.startswith("all 0 ")] == [told(0, 2), told(60, 3)]


async def test_a_rule_is_split_by_what_lines_are_about(written: Written) -> None:
    series = written.series(LogRule("by_user", 60, LogQuery(), by=By.USER), LogRule("app", 60, LogQuery(program="app")))
    await series.recount()
    series.tell(BEGIN_S)
    written.lines.clear()
    owners = [JobOwner("al.ice"), JobOwner("bob"), JobOwner("bob"), NOBODY]
    lines = [at(number, AT_NS + number, "m", program="app") for number in range(4)]
    kept = await written.store.append(list(zip(lines, owners, strict=True)))
    series.hear(kept.new)
    written.at(60)
    series.tell(BEGIN_S + 60)
    assert written.lines == [
        told(0, 1, "by_user.al--2eice"), told(0, 2, "by_user.bob"), told(0, 1, "by_user.none"), told(0, 4, "app"),
    ]  # fmt: skip


@pytest.mark.parametrize(("value", "result"), [(Value.SUM, 12), (Value.MEAN, 4), (Value.MAX, 7)])
async def test_a_figure_of_lines_is_summed_up(written: Written, value: Value, result: float) -> None:
    series = written.series(LogRule("figure", 60, LogQuery(), value, "duration_s"))
    await series.recount()
    for number, duration in enumerate((2, "3", 7, "no number", None)):
        fields = {} if duration is None else {"duration_s": duration}
        await keep(written, series, number, fields=fields)
    written.at(120)
    series.tell(BEGIN_S + 120)
    assert told(0, result, "figure") in written.lines
    if value is not Value.SUM:
        assert [line for line in written.lines if line.startswith("figure 0 ")] == []


@pytest.mark.parametrize(
    "odd", ["nan", "inf", "-Infinity", "1e999", "9" * 400, 10**400, -(10**19), ""], ids=lambda odd: str(odd)[:8]
)
@pytest.mark.parametrize(("value", "result"), [(Value.SUM, 9), (Value.MEAN, 4.5), (Value.MAX, 7)])
async def test_a_figure_that_is_none_leaves_the_others_of_its_interval_as_they_are(
    written: Written, value: Value, result: float, odd: str | int
) -> None:
    series = written.series(LogRule("figure", 60, LogQuery(), value, "duration_s"))
    await series.recount()
    at_ns = written.clock.wall_ns()
    for number, duration in enumerate((2, odd, 7)):
        line = LogLine(id=f"{number}", time_ns=at_ns, node="n1", message="m", fields={"duration_s": duration})
        series.hear([StoredLine(line, NOBODY, LogPlace(at_ns, number))])
    written.at(60)
    series.tell(BEGIN_S + 60)
    assert told(0, result, "figure") in written.lines


async def test_repeats_that_were_folded_count(written: Written) -> None:
    series = written.series(ALL)
    await series.recount()
    await keep(written, series, 1, repeats=9)
    written.at(60)
    series.tell(BEGIN_S + 60)
    assert told(0, 10) in written.lines


async def test_a_store_that_does_not_answer_costs_the_intervals_until_now(written: Written, tmp_path: Path) -> None:
    await keep(written, None, 1)
    (path,) = (tmp_path / "logs").glob("*.sqlite3")
    for suffix in ("-wal", "-shm", ""):
        Path(f"{path}{suffix}").write_bytes(b"no database" * 100)
    series = written.series(ALL)
    written.at(30)
    await series.recount()
    series.hear([])
    written.at(130)
    series.tell(BEGIN_S + 130)
    assert written.lines == [told(60, 0)]


def test_the_shipped_rules_can_be_used() -> None:
    assert len(read_rules(ROOT / "etc/slurmlens/log-rules.toml")) == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[rule]]\nname = 'a b'", "rule 1: name = 'a b'"),
        ("[[rule]]\nname = 'a'\ninterval_s = 5", "whole seconds from 10"),
        ("[[rule]]\nname = 'a'\nquery = { txt = 'x' }", "no filter 'txt'; there are kind, node"),
        ("[[rule]]\nname = 'a'\nquery = { severity = 'bad' }", "one of emergency"),
        ("[[rule]]\nname = 'a'\nquery = 'x'", "query is a table"),
        ("[[rule]]\nname = 'a'\nvalue = 'sum'", "needs field"),
        ("[[rule]]\nname = 'a'\nvalue = 'median'", "one of count, sum"),
        ("[[rule]]\nname = 'a'\nby = 'job'", "one of node, user"),
        ("[[rule]]\nname = 'a'\nwhen = 1", "unknown key 'when'"),
        ("[[rule]]\nname = 'a'\n[[rule]]\nname = 'a'", "two rules are named a"),
        ("[rule]\nname = 'a'", "written as [[rule]]"),
        ("[[rules]]\nname = 'a'", "unknown key 'rules'"),
        ("name = ", "Invalid value"),
    ],
)
def test_a_rule_that_is_wrong_is_named_before_the_hub_starts(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "log-rules.toml"
    path.write_text(text)
    problems = list(log_problems(HubConfig(log_series=LogSeriesConfig(rules=path))))
    assert [words in str(problem) and str(path) in str(problem) for problem in problems] == [True], problems
    assert not examine_rules(tmp_path / "none.toml")[0]
    assert "cannot be read" in str(examine_rules(tmp_path / "none.toml")[1][0])


def test_a_query_of_a_rule_is_the_pages() -> None:
    rules = {rule.name: rule for rule in read_rules(ROOT / "etc/slurmlens/log-rules.toml")}
    assert rules["errors.by_program"].query == LogQuery(severity=3)
    assert msgspec.structs.asdict(rules["hook_duration_s.mean"])["interval_s"] == 300
