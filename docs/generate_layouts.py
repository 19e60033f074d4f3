#!/usr/bin/env python3
"""Writes what `make test-vm` found into docs/installation.md: layout x kind of job x metric, a table a Slurm release.

Reads build/vm/layouts-RELEASE.md, which the suite leaves there; a release that was not run here keeps the table of its
last run. Run it after the suite.
"""

from __future__ import annotations

from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
FOUND = CHECKOUT / "build/vm"
PAGE = CHECKOUT / "docs/installation.md"
RELEASES = ("22.05", "24.11", "26.05")
END = "<!-- until here -->"


def begin(release: str) -> str:
    """The line before a release's table."""
    return f"<!-- Slurm {release}, by docs/generate_layouts.py -->\n"


def with_tables(text: str, tables: dict[str, str]) -> str:
    """The page with these tables, by release, in place of the ones that it has."""
    for release, table in tables.items():
        head, rest = text.split(begin(release))
        text = head + begin(release) + table + END + rest.split(END, 1)[1]
    return text


def page() -> str:
    """The page with what the last runs here left."""
    paths = {release: FOUND / f"layouts-{release}.md" for release in RELEASES}
    return with_tables(
        PAGE.read_text(), {release: path.read_text() for release, path in paths.items() if path.exists()}
    )


if __name__ == "__main__":
    PAGE.write_text(page())
