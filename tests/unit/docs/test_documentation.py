"""The documentation says what the program does: generated pages are current, commands parse, nothing is forgotten."""

from __future__ import annotations

import argparse
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import slurmlens.hub.pipeline  # noqa: F401  # with it come the tables of all rooms
from slurmlens.cli.main import parsers
from slurmlens.hub.database.metadata import metadata
from testkit.checkout import ROOT
from testkit.documented_commands import ELSEWHERE, RUN, bare

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^    .+\n)+", re.MULTILINE)
_INLINE = re.compile(r"`(slurmlens [^`\n]+)`")
HAND_ON = frozenset(("stack",))
"""Commands that hand what follows on to another program."""
_PLACES = re.compile(r"^(\$|#) ")


@pytest.mark.parametrize("name", ["operations", "settings"])
def test_a_generated_page_is_what_its_program_writes(name: str) -> None:
    page = runpy.run_path(str(DOCS / f"generate_{name}.py"))["page"]
    assert (DOCS / f"{name}.md").read_text() == page(), f"run docs/generate_{name}.py and look at the change"


def commands_of(page: Path) -> Iterator[str]:
    """Each `slurmlens …` that a reader could type: in blocks of shell, in indented blocks, and between backticks."""
    text = page.read_text()
    blocks = [body for language, body in _FENCE.findall(text) if language in ("", "sh", "bash", "console")]
    blocks += _INDENTED.findall(_FENCE.sub("", text))
    for line in "\n".join(blocks).splitlines():
        line = _PLACES.sub("", line.strip())
        if line.startswith("slurmlens "):
            yield line
    yield from _INLINE.findall(text)


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """Of the command and of its own commands."""
    found = {option for action in parser._actions for option in action.option_strings}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= {option for one in action.choices.values() for option in options_of(one)}
    return found


def shapes() -> list[tuple[str, str]]:
    return [(page.name, command) for page in PAGES for command in dict.fromkeys(commands_of(page))]


@pytest.mark.parametrize(("page", "command"), shapes())
def test_a_command_in_the_documentation_is_one_that_the_program_has(page: str, command: str) -> None:
    words = shlex.split(re.split(r"\s(?:\||>|<|&&|#)|…|;", command)[0].replace("[", "").replace("]", ""))
    _, known = parsers()
    assert len(words) > 1, command
    names = re.split(r"[|,]", words[1])
    assert all(name in known or name.startswith("--") for name in names), f"{page}: {command}"
    offered = options_of(known[names[0]]) if names[0] in known else {"--version", "--help"}
    own = words[2 : words.index("--")] if "--" in words else words[2:]
    for word in () if names[0] in HAND_ON else own:
        if word.startswith("--"):
            assert word.split("=")[0].rstrip(",.") in offered, f"{page}: {command}: {word}"


def test_each_command_is_run_by_a_test_that_is_there() -> None:
    documented = {bare(command) for _, command in shapes()}
    assert sorted(documented - RUN.keys() - ELSEWHERE.keys()) == []
    assert sorted((RUN.keys() | ELSEWHERE.keys()) - documented) == []
    assert RUN.keys().isdisjoint(ELSEWHERE)
    for reason in ELSEWHERE.values():
        named = re.findall(r"tests/[\w/.]+", reason)
        assert named, reason
        assert all((ROOT / path).exists() for path in named), reason


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_of_shell_are_shell(page: Path) -> None:
    for language, body in _FENCE.findall(page.read_text()):
        if language in ("sh", "bash"):
            done = subprocess.run(["bash", "-n"], input=body, text=True, capture_output=True, check=False)
            assert done.returncode == 0, f"{page.name}: {done.stderr}"


def test_the_privacy_page_names_every_table() -> None:
    page = (DOCS / "privacy.md").read_text()
    assert [name for name in sorted(metadata.tables) if f"`{name}`" not in page] == []


def test_the_site_is_built_with_all_links_right_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="the extra `dev` is not installed")
    site = tmp_path / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(site)]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    loads = re.compile(r"<(?:script|img|link)[^>]*(?:src|href)=\"?(https?:)?//[^>]*>")
    for page in site.rglob("*.html"):
        foreign = [
            found.group() for found in loads.finditer(page.read_text()) if 'rel="canonical"' not in found.group()
        ]
        assert foreign == [], page.name
