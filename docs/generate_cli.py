#!/usr/bin/env python3
"""Writes the man pages of `slurmlens` and the completion of two shells from its own parsers; a test compares them.

Run it after a change to what a command takes. Packages install docs/man/*.1 and etc/completion/ as they are, so that
neither a press of Tab nor `man` starts Python.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import shtab
from argparse_manpage.manpage import Manpage

from slurmlens import __version__
from slurmlens.cli.main import parsers

CHECKOUT = Path(__file__).parents[1]
MANUAL = "slurmlens"
COMPLETIONS = {"bash": "etc/completion/slurmlens.bash", "zsh": "etc/completion/_slurmlens"}


def files() -> dict[Path, str]:
    """What stands in which file."""
    os.environ["COLUMNS"] = "80"  # argparse breaks lines as wide as the terminal
    program, commands = parsers()
    for parser in commands.values():
        _offer_files(parser)
    found = {
        CHECKOUT / name: _without_spaces_at_ends(shtab.complete(program, shell)) for shell, name in COMPLETIONS.items()
    }
    for name, parser in commands.items():
        summary = str(parser.description)
        found[_page(f"slurmlens-{name}")] = _manual(parser, f"slurmlens-{name}", summary, _sections(parser))
    others = "\n".join(f".TP\n.BR slurmlens-{name} (1)\n{parser.description}" for name, parser in commands.items())
    # A page of its own for each command, so this one has the program's own parts alone.
    overview = argparse.ArgumentParser(prog="slurmlens", usage=program.format_usage().removeprefix("usage: "))
    overview.add_argument("--version", action="store_true", help="show the program's version and exit")
    found[_page("slurmlens")] = _manual(overview, "slurmlens", str(program.description), [("COMMANDS", others)])
    return found


def _page(name: str) -> Path:
    return CHECKOUT / "docs" / "man" / f"{name}.1"


def _manual(parser: argparse.ArgumentParser, name: str, summary: str, sections: list[tuple[str, str]]) -> str:
    data = {
        "project_name": "slurmlens",
        "version": __version__,
        "manual_title": MANUAL,
        "description": summary.rstrip("."),
    }
    # A fixed date: the page changes when what it says does.
    page = Manpage(parser, _data={**data, "date": f"slurmlens {__version__}"})
    page.prog = name
    for heading, content in sections:
        page.add_section(heading, ">", content)
    return str(page)


def _sections(parser: argparse.ArgumentParser) -> list[tuple[str, str]]:
    """The blocks of the epilog, each under its own first words; they stand there as `--help` shows them."""
    blocks, parser.epilog = (parser.epilog or "").split("\n\n"), None
    return [(heading.upper(), f".nf\n{text}\n.fi") for heading, text in map(_heading, blocks) if text]


def _heading(block: str) -> tuple[str, str]:
    heading, _, text = block.partition(":")
    return heading, text.strip("\n").replace("\\", "\\e").replace("-", "\\-")


def _without_spaces_at_ends(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def _offer_files(parser: argparse.ArgumentParser) -> None:
    """Where a path is wanted, the shell completes one."""
    for action in parser._actions:
        if action.type is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # how shtab is told


if __name__ == "__main__":
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
