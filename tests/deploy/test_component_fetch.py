"""Programs get into the cache by what is pinned; what cannot be had is MachineLacks with the reason, so tests skip."""

from __future__ import annotations

from pathlib import Path

import pytest
from deploy.cache import cached_folder
from deploy.components import fetch
from deploy.errors import MachineLacks


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SLURMLENS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def go_of_version(folder: Path, version: str) -> Path:
    program = folder / "go"
    program.write_text(f"#!/bin/sh\necho {version}\n")
    program.chmod(0o755)
    return program


def test_the_key_changes_with_a_pinned_file_and_with_a_pinned_word(tmp_path: Path) -> None:
    pinned = tmp_path / "go.sum"
    pinned.write_text("one")
    first = fetch.key("lumber", pinned)
    assert fetch.key("lumber", pinned) == first
    assert fetch.key("lumber", pinned, "word") != first
    pinned.write_text("two")
    assert fetch.key("lumber", pinned) != first


def test_what_could_not_be_fetched_is_tried_again(cache: Path) -> None:
    def fails(folder: Path) -> None:
        (folder / "half").touch()
        fetch.run(["false"], cwd=folder)

    with pytest.raises(MachineLacks, match="`false` ended with 1"):
        cached_folder("part", fails)
    assert list(cached_folder("part", lambda folder: (folder / "whole").touch()).iterdir()) == [cache / "part/whole"]


def test_a_tool_that_is_not_there_is_named() -> None:
    with pytest.raises(MachineLacks, match="not installed: no-such-tool"):
        fetch.run(["no-such-tool"], cwd=Path("/"))


@pytest.mark.parametrize(
    ("version", "good"), [("go1.26.8", True), ("go1.24.0", True), ("go1.19.8", False), ("", False)]
)
def test_the_machines_own_go_is_taken_only_if_it_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, good: bool
) -> None:
    own = go_of_version(tmp_path, version)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(fetch, "debian_packages", lambda *_: Path("/unpacked"))
    assert fetch.go() == (own if good else Path("/unpacked/usr/lib/go-1.24/bin/go"))
