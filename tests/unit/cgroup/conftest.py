"""Recorded nodes, unpacked once; whoever changes one copies it first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from slurmlens.cgroup.mounts import CgroupLocator
from slurmlens.cgroup.tree import CgroupTree
from testkit.recorded_cgroups import RECORDING_BY_NAME, RECORDINGS, Recording, unpack


@pytest.fixture(scope="session")
def recorded_roots(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Recording], Path]:
    """`recorded_roots(recording)` is a folder that looks like that node's "/"."""
    roots: dict[str, Path] = {}

    def root_of(recording: Recording) -> Path:
        if recording.name not in roots:
            roots[recording.name] = unpack(recording, tmp_path_factory.mktemp(recording.name))
        return roots[recording.name]

    return root_of


@pytest.fixture(params=RECORDINGS, ids=lambda recording: recording.name)
def recording(request: pytest.FixtureRequest) -> Recording:
    return request.param


@pytest.fixture
def root(recording: Recording, recorded_roots: Callable[[Recording], Path]) -> Path:
    return recorded_roots(recording)


@pytest.fixture
def tree(recording: Recording, root: Path) -> CgroupTree:
    return open_tree(root, recording.node)


@pytest.fixture
def recorded_tree(recorded_roots: Callable[[Recording], Path]) -> Callable[[str], CgroupTree]:
    def tree_of(name: str) -> CgroupTree:
        recording = RECORDING_BY_NAME[name]
        return open_tree(recorded_roots(recording), recording.node)

    return tree_of


def open_tree(root: Path, node: str) -> CgroupTree:
    found = CgroupLocator(root, node).find()
    assert found is not None
    return CgroupTree(found, root / "proc")
