"""The document: one row a result, no pipe breaks the table, and nothing tells which machine it was."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from pathlib import Path

from bench.report import terminal_lines, update_document, write_document
from bench.result import Goal, Row

ROW = Row("P2", "daemon / loop", Goal(1.3), Goal(1.15), "bare C loop")


def test_the_document_has_one_row_a_result(tmp_path: Path) -> None:
    path = tmp_path / "performance.md"
    results = [ROW.measured(1.234, "in 3 rounds"), ROW.no_figure("not measured: needs a|b")]
    write_document(results, path, command="make bench", date=datetime(2026, 11, 23, 8, tzinfo=UTC))
    rows = [line for line in path.read_text().splitlines() if line.startswith("| P2")]
    assert rows == [
        "| P2 | daemon / loop | 1.23 | ≤ 1.3 | ≤ 1.15 | must met | bare C loop | in 3 rounds |",
        "| P2 | daemon / loop | – | ≤ 1.3 | ≤ 1.15 | – | bare C loop | not measured: needs a\\|b |",
    ]


def test_rows_that_are_made_anew_stand_where_they_stood_with_their_own_command_and_date(tmp_path: Path) -> None:
    path = tmp_path / "performance.md"
    other, new = Row("P3", "calls", Goal(1), Goal(1), "strace"), Row("P2", "another", Goal(1), Goal(1), "none")
    results = [ROW.measured(1.4, "slow"), other.measured(1.0)]
    write_document(results, path, command="make bench", date=datetime(2026, 11, 23, 8, tzinfo=UTC))
    for figure, hour in ((1.3, 9), (1.2, 10)):
        again = [ROW.measured(figure, "better"), new.measured(1.0)]
        update_document(again, path, command="make bench X", date=datetime(2026, 11, 23, hour, tzinfo=UTC))
    lines = path.read_text().splitlines()
    assert "`make bench` on 2026-11-23 08:00 UTC" in "".join(lines[:4])
    assert lines[-5:] == [
        "| P2 | daemon / loop | 1.20 | ≤ 1.3 | ≤ 1.15 | must met | bare C loop | better |",
        "| P3 | calls | 1.00 | ≤ 1 | ≤ 1 | aim met | strace |  |",
        "| P2 | another | 1.00 | ≤ 1 | ≤ 1 | aim met | none |  |",
        "",
        "P2: measured later than the rest, by `make bench X` on 2026-11-23 10:00 UTC.",
    ]


def test_the_document_says_what_kind_of_machine_but_not_which(tmp_path: Path) -> None:
    path = tmp_path / "performance.md"
    write_document([], path, command="make bench", date=datetime(2026, 11, 23, 8, tzinfo=UTC))
    text = path.read_text()
    assert "cores, Linux" in text
    assert platform.node() not in text


def test_people_see_figure_bars_and_verdict() -> None:
    assert list(terminal_lines(ROW.measured(1.1, "why"))) == [
        "P2   daemon / loop",
        "           1.10   must ≤ 1.3, aim ≤ 1.15   aim met   why",
    ]
