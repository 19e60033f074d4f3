"""The emitter, compiled once in each of its builds, with empty folders for every test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit import hook_program
from testkit.hook_program import HookProgram

BUILDS = {"without_libc": (), "with_libc": ("LIBC=1",), "sanitized": ("SANITIZE=1",)}


@pytest.fixture(scope="session")
def programs() -> Iterator[dict[str, HookProgram]]:
    """All builds; a short path, for a Unix socket lies in it."""
    folder = Path(tempfile.mkdtemp(prefix="slh-"))
    yield {name: hook_program.build(folder / name, folder / f"{name}.run", *BUILDS[name]) for name in BUILDS}
    shutil.rmtree(folder)


@pytest.fixture
def hook(programs: dict[str, HookProgram]) -> HookProgram:
    """The build that goes onto nodes."""
    programs["without_libc"].prepare()
    return programs["without_libc"]


@pytest.fixture(params=sorted(BUILDS))
def any_hook(request: pytest.FixtureRequest, programs: dict[str, HookProgram]) -> HookProgram:
    """Each build in turn."""
    program = programs[request.param]
    program.prepare()
    return program
