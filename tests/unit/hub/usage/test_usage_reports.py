"""Reports: periods have their true lengths, all forms are of one model, the same input is the same bytes."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.config.management import ManagementConfig
from slurmlens.errors import DecodeError, SourceError
from slurmlens.hub.access.viewer import EVERYBODY, Role, Viewer
from slurmlens.hub.reports import pdf
from slurmlens.hub.reports.forms import ReportForm, file_name, report_bytes
from slurmlens.hub.reports.making import ReportMaker, order_of, whose
from slurmlens.hub.reports.periods import PeriodKind, period_of, window_period
from slurmlens.hub.usage.charges import UsageSums
from slurmlens.hub.usage.facts import UsageWindow
from slurmlens.hub.usage.keeping import UsageKeeper
from slurmlens.hub.usage.read import UsageQueries
from slurmlens.hub.views.report.view import ReportView
from slurmlens.slurm.records import JobState
from testkit.hub_history import History, record
from testkit.manual_clock import ManualClock
from testkit.told_events import BEGIN_S

BERLIN, KOLKATA = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")
HOUR_S = 3_600
ODD = '=HYPERLINK("x")<img src=file:///etc/passwd>'
KINDS = st.sampled_from([kind for kind in PeriodKind if kind is not PeriodKind.WINDOW])
ZONES = st.sampled_from([BERLIN, KOLKATA, ZoneInfo("America/St_Johns"), ZoneInfo("UTC")])
MOMENTS = st.integers(1_500_000_000, 2_100_000_000)


@given(KINDS, MOMENTS, ZONES)
def test_the_pieces_of_a_period_meet_and_fill_it_and_hold_the_moment(
    kind: PeriodKind, now_s: int, zone: ZoneInfo
) -> None:
    period = period_of(kind, None, now_s, zone)
    assert period.window.from_s <= now_s < period.window.to_s
    assert (period.pieces[0].from_s, period.pieces[-1].to_s) == (period.window.from_s, period.window.to_s)
    assert all(one.to_s == following.from_s for one, following in pairwise(period.pieces))
    assert period_of(kind, period.label, 0, zone) == period


@given(MOMENTS, st.integers(1, 400 * 86_400), ZONES)
def test_any_window_is_filled_by_its_days(from_s: int, lasts: int, zone: ZoneInfo) -> None:
    period = window_period(UsageWindow(from_s, from_s + lasts), zone)
    assert sum(piece.seconds for piece in period.pieces) == lasts


def test_days_of_a_clock_change_are_as_long_as_they_were() -> None:
    hours = [
        period_of(PeriodKind.DAY, day, 0, BERLIN).window.seconds // HOUR_S
        for day in ("2026-03-29", "2026-10-25", "2026-11-30")
    ]
    assert hours == [23, 25, 24]
    assert len(period_of(PeriodKind.MONTH, "2026-02", 0, KOLKATA).pieces) == 28


@pytest.mark.parametrize("text", ["2026-13", "yesterday", "2026-W60", "99999", "2026-02-30"])
@pytest.mark.parametrize("kind", ["day", "week", "month", "year"])
def test_what_names_no_period_is_refused_with_an_example(kind: str, text: str) -> None:
    with pytest.raises(DecodeError, match="write"):
        period_of(PeriodKind(kind), text, 0, BERLIN)


@pytest.mark.parametrize("text", ["physics", "colour:red", "account:", "user:" + "x" * 300])
def test_who_cannot_be_named_is_refused(text: str) -> None:
    with pytest.raises(DecodeError, match="names nobody"):
        whose(text)


@pytest.fixture
async def maker(tmp_path: Path, clock: ManualClock) -> AsyncIterator[ReportMaker]:
    history = await History.open(f"sqlite:///{tmp_path}/hub.sqlite3", clock)
    clock.advance(100_000)
    more = {"cpu_count": 8, "memory_bytes": 2**33}
    await history.learn(
        record(JobState.COMPLETED, job_id=1, end=50_000, account="physics", name="a1", **more),
        record(JobState.NODE_FAIL, job_id=2, start=100, end=7_001, account=ODD, name=ODD, **more),
        record(JobState.RUNNING, job_id=3, start=30, account="bio", name="a3", **more),
    )
    await UsageKeeper(history.store, "demo", history.news, clock).step()
    yield ReportMaker(UsageQueries(history.store, "demo"), "demo", ManagementConfig(time_zone="Asia/Kolkata"))
    await history.close()


async def report(
    maker: ReportMaker, period: str = "month", viewer: Viewer = EVERYBODY, of: str | None = None
) -> ReportView:
    settings = ManagementConfig(time_zone="Asia/Kolkata")
    return await maker.report(viewer, order_of(period, None, of, BEGIN_S + 1, settings), BEGIN_S + 100_000)


@pytest.mark.parametrize("period", ["day", "week", "month", "year"])
async def test_pieces_and_tables_add_up_to_the_same_whole(maker: ReportMaker, period: str) -> None:
    view = await report(maker, period)
    whole = view.tables[0].whole.sums
    assert whole.core_s
    assert sum((piece.sums for piece in view.pieces), UsageSums()) == whole
    for table in view.tables:
        assert sum((row.sums for row in table.rows), UsageSums()) == table.whole.sums == whole


async def test_one_accounts_report_holds_that_account_alone(maker: ReportMaker) -> None:
    view = await report(maker, of="account:physics")
    assert {table.by for table in view.tables} == {"user", "partition", "qos"}
    assert view.tables[0].whole.sums.core_s == 8 * 50_000


async def test_one_kind_of_jobs_is_reported_whatever_the_numbers_in_their_names(maker: ReportMaker) -> None:
    view = await report(maker, of="type:A77")
    assert (view.of_kind, view.of_name) == ("type", "a#")
    assert view.tables[0].whole.sums.started == 2
    assert sum((piece.sums for piece in view.pieces), UsageSums()) == view.tables[0].whole.sums
    assert [one.job_type for one in view.job_types] == ["a#"]
    assert "jobs called a#" in report_bytes(view, ReportForm.HTML).decode()


@pytest.mark.parametrize("period", ["day", "week", "month", "year"])
async def test_all_kinds_of_jobs_together_are_the_whole(maker: ReportMaker, period: str) -> None:
    whole = (await report(maker, period)).tables[0].whole.sums
    of_types = [(await report(maker, period, of=f"type:{name}")).tables[0].whole.sums for name in ("a1", ODD)]
    assert sum(of_types, UsageSums()) == whole


async def test_who_may_not_see_others_gets_a_report_of_nothing_as_of_names_that_are_none(maker: ReportMaker) -> None:
    eve = Viewer("eve", frozenset({Role.USER}))
    hidden, none = await report(maker, viewer=eve, of="user:alice"), await report(maker, viewer=eve, of="user:nobody")
    assert hidden.tables == none.tables
    assert "Nothing was used" in hidden.sentence


async def test_the_same_report_is_the_same_bytes_in_every_form(maker: ReportMaker) -> None:
    first, second = await report(maker), await report(maker)
    for form in (ReportForm.HTML, ReportForm.CSV, ReportForm.JSON):
        assert report_bytes(first, form) == report_bytes(second, form)


async def test_the_csv_holds_every_row_and_no_formula(maker: ReportMaker) -> None:
    rows = list(csv.DictReader(io.StringIO(report_bytes(await report(maker), ReportForm.CSV).decode(), newline="")))
    by_kind = {kind: [row for row in rows if row["of"] == kind] for kind in ("whole", "time", "account")}
    (whole,) = by_kind["whole"]
    for kind in ("time", "account"):
        assert sum(int(row["core_seconds"]) for row in by_kind[kind]) == int(whole["core_seconds"])
    assert not [row for row in rows if row["name"].startswith("=")]


async def test_names_of_strangers_are_text_in_the_document_and_in_the_files_name(maker: ReportMaker) -> None:
    document = report_bytes(await report(maker), ReportForm.HTML).decode()
    assert "<img" not in document
    assert "&lt;img" in document
    name = file_name(await report(maker, of=f"account:{ODD}"), ReportForm.PDF)
    assert "/" not in name
    assert "<" not in name


async def test_the_json_is_the_model(maker: ReportMaker) -> None:
    view = await report(maker)
    assert msgspec.json.decode(report_bytes(view, ReportForm.JSON), type=ReportView) == view


@pytest.mark.thorough
async def test_a_pdf_is_printed_twice_alike_and_fetches_nothing(maker: ReportMaker) -> None:
    pytest.importorskip("weasyprint", reason="the extra pdf is not installed")
    view = await report(maker)
    first = report_bytes(view, ReportForm.PDF)
    assert first.startswith(b"%PDF-")
    assert first == report_bytes(view, ReportForm.PDF)


def test_where_nothing_can_print_it_is_said_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(SourceError, match=r"slurmlens\[pdf\]"):
        pdf.print_pdf("<p>x</p>")
