"""The walk of recorded nodes finds the recorded job, and survives folders that vanish under it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from slurmlens.cgroup import tree as tree_module
from slurmlens.cgroup.layout import Hierarchy
from slurmlens.cgroup.mounts import CgroupLocator
from slurmlens.cgroup.tree import CgroupTree
from testkit.recorded_cgroups import Recording


def test_the_recorded_job_is_found_with_its_name_and_steps(tree: CgroupTree, recording: Recording) -> None:
    (job,) = tree.jobs()
    assert (job.key, job.job_id, job.sluid, job.uid) == (
        recording.key,
        recording.job_id,
        recording.sluid,
        recording.uid,
    )
    batch = [] if recording.node == "hvn1" else ["batch"]
    assert [step.step for step in job.steps] == ["0", *batch, "extern"]
    assert all(step.place.cpu.is_dir() for step in job.steps)
    assert all(step.place.memory.is_dir() for step in job.steps)


def test_the_parent_is_the_folder_above_and_the_node_is_above_that(tree: CgroupTree, recording: Recording) -> None:
    (job,) = tree.jobs()
    assert job.parent.cpu == job.place.cpu.parent
    if tree.hierarchy is Hierarchy.V1:
        assert job.parent.cpu.name == f"uid_{recording.uid}"
        assert tree.place.cpu.name == f"slurm_{recording.node}"
    else:
        assert tree.place == job.parent


def test_two_nodes_on_one_host_see_their_own_jobs_only(recorded_tree: Callable[[str], CgroupTree]) -> None:
    first, second = recorded_tree("v1-22.05"), recorded_tree("v1-22.05-second-node")
    assert first.jobs()[0].place != second.jobs()[0].place


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A v2 machine of 26.05 with one job whose slurmstepd has no title yet."""
    (tmp_path / "proc/5").mkdir(parents=True)
    (tmp_path / "proc/mounts").write_text("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n")
    (tmp_path / "proc/5/status").write_text("Uid:\t0\t0\t0\t0\n")
    (tmp_path / "proc/5/cmdline").write_bytes(b"/usr/sbin/slurmstepd\0")
    step = _scope(tmp_path) / "sAZNM81GJARB00/step_batch"
    for folder in ("slurm", "user/task_0"):
        (step / folder).mkdir(parents=True)
    (step / "slurm/cgroup.procs").write_text("5\n")
    return tmp_path


def _scope(root: Path) -> Path:
    return root / "sys/fs/cgroup/system.slice/slurmstepd.scope"


def _tree(root: Path) -> CgroupTree:
    found = CgroupLocator(root, "n0").find()
    assert found is not None
    return CgroupTree(found, root / "proc")


def test_a_job_without_a_title_has_no_name_rather_than_a_guessed_one(node: Path) -> None:
    (job,) = _tree(node).jobs()
    assert (job.job_id, job.sluid) == (None, "sAZNM81GJARB00")
    (node / "proc/5/cmdline").write_bytes(b"slurmstepd: [3.batch]")
    (job,) = _tree(node).jobs()
    assert job.job_id == 3


def test_a_title_in_a_tasks_folder_names_nothing(node: Path) -> None:
    (node / "proc/5/cmdline").write_bytes(b"slurmstepd: [3.batch]")
    step = _scope(node) / "sAZNM81GJARB00/step_batch"
    (step / "slurm/cgroup.procs").write_text("")
    (step / "user/task_0/cgroup.procs").write_text("5\n")
    (job,) = _tree(node).jobs()
    assert job.job_id is None


def test_a_step_counts_once_its_user_folder_is_there(node: Path) -> None:
    (_scope(node) / "sAZNM81GJARB00/step_0/slurm").mkdir(parents=True)
    assert [step.step for step in _tree(node).jobs()[0].steps] == ["batch"]
    (_scope(node) / "sAZNM81GJARB00/step_0/user").mkdir()
    assert [step.step for step in _tree(node).jobs()[0].steps] == ["0", "batch"]


def test_a_tree_that_vanishes_at_any_point_of_the_walk_raises_nothing(
    node: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    real = tree_module._subfolders
    kept = tmp_path_factory.mktemp("kept") / "scope"
    shutil.copytree(_scope(node), kept)

    def walk_cut_at(cut_at: int) -> int:
        """Walks the tree, which vanishes behind that listing, and again; says how many listings that took."""
        listings = 0

        def listing(folder: Path) -> object:
            nonlocal listings
            found = real(folder)
            if listings == cut_at:
                shutil.rmtree(_scope(node))
            listings += 1
            return found

        tree = _tree(node)
        monkeypatch.setattr(tree_module, "_subfolders", listing)
        assert len(tree.jobs()) <= 1
        monkeypatch.setattr(tree_module, "_subfolders", real)
        assert len(tree.jobs()) == (1 if cut_at < 0 else 0)
        return listings

    listings_of_a_walk = walk_cut_at(-1)
    assert listings_of_a_walk > 1
    for cut_at in range(listings_of_a_walk):
        walk_cut_at(cut_at)
        assert not _scope(node).exists()
        shutil.copytree(kept, _scope(node))


def test_strangers_among_the_folders_are_passed_over(node: Path) -> None:
    for name in ("system", "job_x", "lost+found"):
        (_scope(node) / name).mkdir()
    (_scope(node) / "job_99").write_text("a file")
    (_scope(node) / "job_98").symlink_to(node)
    assert [job.key for job in _tree(node).jobs()] == ["sAZNM81GJARB00"]


def _v1_folder(root: Path, controller: str, *parts: str) -> Path:
    path = root.joinpath("cg", controller, "slurm_n0", *parts)
    path.mkdir(parents=True)
    return path


@pytest.fixture
def v1_node(tmp_path: Path) -> Path:
    (tmp_path / "proc").mkdir()
    lines = [f"cgroup /cg/{name} cgroup rw,{name} 0 0\n" for name in ("cpuacct", "memory", "freezer")]
    (tmp_path / "proc/mounts").write_text("".join(lines))
    for controller in ("cpuacct", "memory", "freezer"):
        _v1_folder(tmp_path, controller)
    return tmp_path


def test_a_v1_job_counts_once_a_measuring_controller_has_it(v1_node: Path) -> None:
    _v1_folder(v1_node, "freezer", "uid_1", "job_5")
    tree = _tree(v1_node)
    assert tree.jobs() == ()
    _v1_folder(v1_node, "memory", "uid_1", "job_5")
    (job,) = tree.jobs()
    assert (job.job_id, job.uid) == (5, 1)
    assert job.place.cpu == v1_node / "cg/cpuacct/slurm_n0/uid_1/job_5", "known before the folder is there"


def test_a_v1_job_known_once_lives_as_long_as_any_controller_has_it(v1_node: Path) -> None:
    memory = _v1_folder(v1_node, "memory", "uid_1", "job_5")
    _v1_folder(v1_node, "freezer", "uid_1", "job_5")
    tree = _tree(v1_node)
    (job,) = tree.jobs()
    memory.rmdir()
    (folder,) = tree.folders()
    assert tree.job(folder) is None
    again = tree.job(folder, job)
    assert again is not None
    assert again.inodes & job.inodes


def test_where_slurm_only_tracks_processes_jobs_are_found_all_the_same(v1_node: Path) -> None:
    for controller in ("cpuacct", "memory"):
        (v1_node / "cg" / controller / "slurm_n0").rmdir()
    _v1_folder(v1_node, "freezer", "uid_1", "job_5", "step_0")
    (job,) = _tree(v1_node).jobs()
    assert (job.job_id, [step.step for step in job.steps]) == (5, ["0"])
