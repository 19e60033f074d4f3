"""The table: on the terminal, and as docs/performance.md.

Owns how results are written down. Says what kind of machine measured (cores, kernel, Python) but never which: the
document is for everyone.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from bench.result import Result

HEADER = """# Performance

Written by `{command}` on {date}; do not edit. {machine}

Every figure but the absolute ones is a ratio to a reference that ran in the same session, in turn with ours;
medians; CPU time, not wall. "must" is the bar to land, "aim" where we want to be. A row without a figure says why: what
cannot be told from the reference's own scatter is not given. How each is measured stands in `bench/`, one file a
target.

"""
COLUMNS = ("target", "what", "measured", "must", "aim", "verdict", "reference", "note")


def terminal_lines(result: Result) -> Iterable[str]:
    """Two lines of one result, for people who watch."""
    row = result.row
    yield f"{row.target:4} {row.what}"
    yield f"     {result.figure:>10}   must {row.must}, aim {row.aim}   {result.verdict}   {result.note}"


def write_document(results: Sequence[Result], path: Path, *, command: str, date: datetime) -> None:
    """Replaces the document at `path`."""
    text = HEADER.format(command=command, date=f"{date:%Y-%m-%d %H:%M} UTC", machine=_machine()) + "\n".join(
        _table(results)
    )
    path.write_text(text + "\n", encoding="utf-8")


def update_document(results: Sequence[Result], path: Path, *, command: str, date: datetime) -> None:
    """Puts these rows in the place of theirs in the document at `path`; below the table stands when they were made."""
    lines = path.read_text(encoding="utf-8").splitlines()
    targets = ", ".join(dict.fromkeys(result.row.target for result in results))
    told = f"{targets}: measured later than the rest, by `{command}` on "
    lines = [line for line in lines if not line.startswith(told)]
    for result in results:
        row = _row(result)
        places = [index for index, line in enumerate(lines) if _name(line) == _name(row)]
        if places:
            lines[places[0]] = row
        else:
            lines.insert(max(index for index, line in enumerate(lines) if line.startswith("|")) + 1, row)
    if lines[-1].startswith("|"):
        lines.append("")
    lines.append(f"{told}{date:%Y-%m-%d %H:%M} UTC.")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _table(results: Sequence[Result]) -> Iterable[str]:
    yield _line(COLUMNS)
    yield _line("---" for _ in COLUMNS)
    for result in results:
        yield _row(result)


def _row(result: Result) -> str:
    row = result.row
    figures = (result.figure, str(row.must), str(row.aim), result.verdict)
    return _line((row.target, row.what, *figures, row.reference, result.note))


def _name(line: str) -> list[str]:
    """Target and what of a row; they hold no '|'."""
    return line.split(" | ")[:2]


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _machine() -> str:
    cores = len(os.sched_getaffinity(0))
    system = f"{platform.system()} {_kernel()}, {platform.machine()}"
    return f"Machine: {cores} cores, {system}, Python {platform.python_version()}."


def _kernel() -> str:
    """The kernel's version without what a vendor hangs on it."""
    return platform.release().partition("-")[0]
