"""Folder names say what they say and no more; mounts and layouts lead to a node's folder."""

from __future__ import annotations

import string
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.cgroup.layout import (
    LAYOUTS,
    CgroupPlace,
    Hierarchy,
    JobFolderName,
    is_task_folder,
    job_folder_name,
    step_of_folder,
    step_place,
    uid_of_folder,
)
from slurmlens.cgroup.mounts import CgroupLocator, CgroupMounts, parse_mounts
from slurmlens.metrics import FIELD_INDEX
from testkit.recorded_cgroups import Recording

V2_MOUNT = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev 0 0\n"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("job_8", JobFolderName(8, None)),
        ("job_4294967295", JobFolderName(4294967295, None)),
        ("sAZNM81GJARB00", JobFolderName(None, "sAZNM81GJARB00")),
        ("system", None),
        ("slurm", None),
        ("job_", None),
        ("job_8x", None),
        ("job_8\n", None),
        ("job_-1", None),
        ("memory.stat", None),
    ],
)
def test_a_job_folder_tells_its_id_or_its_sluid(name: str, expected: JobFolderName | None) -> None:
    assert job_folder_name(name) == expected


@given(st.text(st.sampled_from(string.ascii_letters + string.digits + "_.\n"), max_size=30))
def test_any_name_is_at_most_one_kind_of_folder(name: str) -> None:
    kinds = [job_folder_name(name), step_of_folder(name), uid_of_folder(name), is_task_folder(name) or None]
    assert sum(kind is not None for kind in kinds) <= 1


def test_steps_are_named_as_slurm_names_them() -> None:
    assert [step_of_folder(name) for name in ("step_0", "step_batch", "step_extern", "step_interactive", "user")] == [
        "0",
        "batch",
        "extern",
        "interactive",
        None,
    ]


def test_a_v2_step_is_read_without_slurmstepd() -> None:
    job = CgroupPlace(Hierarchy.V2, Path("/c/job_8"), Path("/c/job_8"))
    assert step_place(job, "step_0").cpu == Path("/c/job_8/step_0/user")


def test_mounts_of_a_hybrid_machine_are_v1(recorded_roots: Callable[[Recording], Path], recording: Recording) -> None:
    mounts = parse_mounts((recorded_roots(recording) / "proc/mounts").read_text())
    assert mounts.hierarchy is (Hierarchy.V1 if recording.name.startswith("v1") else Hierarchy.V2)


def test_controllers_mounted_together_are_both_found() -> None:
    text = (
        "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n"
        + "cgroup /cg/mem\\040ory cgroup rw,memory 0 0\n"
    )
    assert parse_mounts(text) == CgroupMounts({"cpuacct": "/sys/fs/cgroup/cpu,cpuacct", "memory": "/cg/mem ory"}, None)


@given(st.text())
def test_no_text_of_mounts_breaks_the_parser(text: str) -> None:
    assert parse_mounts(text).hierarchy in (None, Hierarchy.V1, Hierarchy.V2)


def test_without_cgroups_there_is_no_hierarchy_and_nothing_to_watch(tmp_path: Path) -> None:
    locator = CgroupLocator(tmp_path, "n0")
    assert locator.mounts().hierarchy is None
    assert locator.find() is None
    assert locator.watch_points() == ()


def _v2_machine(root: Path, *folders: str, init: str = "0::/init.scope\n") -> CgroupLocator:
    (root / "proc/1").mkdir(parents=True)
    (root / "proc/mounts").write_text(V2_MOUNT)
    (root / "proc/1/cgroup").write_text(init)
    (root / "sys/fs/cgroup").mkdir(parents=True)
    for folder in folders:
        (root / "sys/fs/cgroup" / folder).mkdir(parents=True)
    return CgroupLocator(root, "n0")


@pytest.mark.parametrize(
    ("folder", "layout"),
    [
        ("system.slice/n0_slurmstepd.scope", "v2-multiple-slurmd"),
        ("system.slice/slurmstepd.scope", "v2"),
        ("hpc.slice/n0_slurmstepd.scope", "v2-multiple-slurmd"),
        ("hpc.slice/hpc-compute.slice/slurmstepd.scope", "v2"),
    ],
)
def test_the_scope_is_found_in_whichever_slice_it_is(tmp_path: Path, folder: str, layout: str) -> None:
    found = _v2_machine(tmp_path, folder).find()
    assert found is not None
    assert found.layout.name == layout
    assert found.place.cpu == tmp_path / "sys/fs/cgroup" / folder


def test_in_a_container_the_scope_is_beside_the_cgroup_of_pid_1(tmp_path: Path) -> None:
    container = "docker.slice/docker-0f.scope"
    locator = _v2_machine(
        tmp_path, f"{container}/system.slice/n0_slurmstepd.scope", init=f"0::/{container}/init.scope\n"
    )
    found = locator.find()
    assert found is not None
    assert found.place.cpu == tmp_path / "sys/fs/cgroup" / container / "system.slice/n0_slurmstepd.scope"


def test_another_nodes_scope_is_not_ours(tmp_path: Path) -> None:
    assert _v2_machine(tmp_path, "system.slice/n1_slurmstepd.scope").find() is None


def test_before_slurm_made_a_folder_its_parent_is_watched(tmp_path: Path) -> None:
    locator = _v2_machine(tmp_path)
    assert locator.watch_points() == (tmp_path / "sys/fs/cgroup",)
    (tmp_path / "sys/fs/cgroup/system.slice").mkdir()
    assert locator.watch_points() == (tmp_path / "sys/fs/cgroup/system.slice",)


def test_layouts_name_only_fields_that_exist() -> None:
    assert all(layout.fields <= FIELD_INDEX.keys() for layout in LAYOUTS)
