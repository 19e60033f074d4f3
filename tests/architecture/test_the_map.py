"""The map and the names: what docs/architecture.md names is there, and a class name stands for one thing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.checkout import ROOT

PACKAGE = ROOT / "daemon" / "slurmlens"
MAP = ROOT / "docs" / "architecture.md"

NAMED_FILE = re.compile(r"`([\w./-]+(?:\.(?:py|c|h|toml|md)|/))`")
IN_A_FOLDER = re.compile(r"`([\w-]+/[\w./-]+\.(?:py|c|h))`")
STOP = re.compile(r"`([\w./-]+\.(?:py|c)):(\w+)`")
WALK_STOPS_MAX = 8


def found(name: str) -> Path | None:
    """A file or folder as the map names it: from the checkout, or from the package."""
    return next((base / name for base in (ROOT, PACKAGE) if (base / name).exists()), None)


def functions_of(path: Path) -> set[str]:
    text = path.read_text()
    if path.suffix == ".c":
        return set(re.findall(r"^[\w *]*\b(\w+)\([^;]*$", text, re.MULTILINE))
    nodes = ast.walk(ast.parse(text))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def walks() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """(heading, stops) of each walk: a bold line, and the numbered list after it."""
    section = MAP.read_text().partition("## A newcomer's walk")[2].partition("\n## ")[0]
    for part in section.split("\n**")[1:]:
        steps = re.findall(r"^\d+\. .*$", part, re.MULTILINE)
        yield part.partition("**")[0], [STOP.findall(step)[0] for step in steps]


def test_every_file_and_folder_that_the_map_names_is_there() -> None:
    named = set(NAMED_FILE.findall(MAP.read_text()))
    assert len(named) > 40
    assert sorted(name for name in named if found(name) is None) == [], "mend docs/architecture.md"


@pytest.mark.parametrize("path", sorted((ROOT / "docs/adr").glob("*.md")), ids=lambda path: path.stem)
def test_a_decision_that_holds_names_files_that_are_there(path: Path) -> None:
    text = path.read_text()
    named = [] if "Superseded by" in text else IN_A_FOLDER.findall(text)
    assert [name for name in named if found(name) is None] == [], "mend the paths, or mark the decision as superseded"


def test_every_stop_of_a_walk_is_a_function_that_is_there() -> None:
    stops = STOP.findall(MAP.read_text())
    missing = [
        f"{name}:{function}"
        for name, function in stops
        if (path := found(name)) is None or function not in functions_of(path)
    ]
    assert missing == [], "mend the walk in docs/architecture.md"


def test_there_are_four_walks_of_at_most_eight_stops() -> None:
    assert len(list(walks())) == 4
    assert {heading: len(stops) for heading, stops in walks() if len(stops) > WALK_STOPS_MAX} == {}


def test_every_room_of_the_hub_has_its_row() -> None:
    rooms = {path.name for path in (PACKAGE / "hub").iterdir() if (path / "__init__.py").exists()}
    rows = set(re.findall(r"^\| `hub/(\w+)/` \|", MAP.read_text(), re.MULTILINE))
    assert rows == rooms


def test_the_picture_of_the_layers_is_the_rule() -> None:
    """The rows of the fenced block are those of the first import contract."""
    contract = (ROOT / "pyproject.toml").read_text().partition("[[tool.importlinter.contracts]]")[2]
    ruled = [
        row.replace("slurmlens.", "") for row in re.findall(r'^    "(slurmlens\.[^"]+)",$', contract, re.MULTILINE)
    ]
    drawn = re.search(r"^```\n(cli\n.*?)```", MAP.read_text(), re.MULTILINE | re.DOTALL)
    assert drawn is not None
    assert drawn[1].split("\n")[:-1] == ruled[: len(drawn[1].split("\n")) - 1]


def test_a_word_stands_in_the_glossary_once() -> None:
    table = MAP.read_text().partition("## Words")[2]
    words = [word.strip() for row in re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE) for word in row.split(",")]
    assert sorted({word for word in words if words.count(word) > 1}) == []


@pytest.mark.parametrize("word", ["sighting", "slot", "dropbox", "rediscover", "witness", "spool", "run", "held"])
def test_the_words_of_our_own_are_explained(word: str) -> None:
    assert re.search(rf"^\| (?:[\w ]+, )?{word}[ ,|]", MAP.read_text().partition("## Words")[2], re.MULTILINE)
