"""What ordeals need: a seed that can be given again, a short folder (sockets), the real emitter, a cache."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from deploy.errors import MachineLacks

from conservation.ordeal import Outcome, Plan, suffer
from conservation.programs import lacking
from testkit import hook_program

SEED = os.environ.get("SLURMLENS_SEED", "short")
"""Another one: SLURMLENS_SEED=… make test."""


@pytest.fixture(scope="session")
def tree_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trees")


@pytest.fixture
def ordeal_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ordeal-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def judged(ordeal_folder: Path, tree_cache: Path) -> Callable[[Plan], object]:
    """Run an ordeal with the real emitter; a machine that lacks a part of it skips."""
    if missing := lacking():
        pytest.skip(missing)

    async def run(plan: Plan) -> Outcome:
        folder = ordeal_folder / "o"
        folder.mkdir()
        emitter = hook_program.build(ordeal_folder / "build", folder / "staging").path
        try:
            return await suffer(plan.emitted_by(emitter), folder, tree_cache)
        except MachineLacks as error:
            pytest.skip(str(error))

    return run
