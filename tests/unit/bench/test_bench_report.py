"""The document: one row a result, no pipe breaks the table, and nothing tells which machine it was."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from pathlib import Path

from bench.report import terminal_lines, write_document
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
