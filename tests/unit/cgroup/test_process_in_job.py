"""Which job a process is in is read from its cgroup, in every layout; what users make below a task changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.cgroup.mounts import CgroupLocator, parse_mount_roots, parse_process_cgroups
from slurmlens.cgroup.tree import CgroupTree, JobMember

V1_MOUNTS = """\
cgroup /sys/fs/cgroup/freezer cgroup rw,freezer 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0
"""
V2_MOUNTS = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"


def machine(root: Path, mounts: str, folders: tuple[str, ...], mountinfo: str = "") -> Path:
    for folder in folders:
        (root / folder).mkdir(parents=True)
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/mounts").write_text(mounts)
    (root / "proc/self/mountinfo").write_text(mountinfo)
    return root


def member(root: Path, cgroups: str, node: str = "n0") -> JobMember | None:
    locator = CgroupLocator(root, node)
    found = locator.find()
    assert found is not None
    return CgroupTree(found, root / "proc").member(locator.folders_of_process(cgroups))


@pytest.fixture
def v2(tmp_path: Path) -> Path:
    return machine(tmp_path, V2_MOUNTS, ("sys/fs/cgroup/system.slice/n0_slurmstepd.scope",))


@pytest.fixture
def v1(tmp_path: Path) -> Path:
    return machine(tmp_path, V1_MOUNTS, ("sys/fs/cgroup/freezer/slurm_n0", "sys/fs/cgroup/memory/slurm_n0"))


@pytest.mark.parametrize(
    ("path", "key", "step"),
    [
        ("job_7/step_3/user/task_0", "job_7", "3"),
        ("job_7/step_batch/user/task_special", "job_7", "batch"),
        ("job_7/step_extern/user/task_0", "job_7", "extern"),
        ("job_7/step_3/slurm", "job_7", "3"),
        ("job_7", "job_7", None),
        ("job_7/step_3/user/task_0/job_8/step_0", "job_7", "3"),
        ("sAZNM81GJARB00/step_0/user/task_0", "sAZNM81GJARB00", "0"),
    ],
)
def test_a_process_of_a_job_on_v2(v2: Path, path: str, key: str, step: str | None) -> None:
    found = member(v2, f"0::/system.slice/n0_slurmstepd.scope/{path}\n")
    assert found is not None
    assert (found.key, found.step) == (key, step)


@pytest.mark.parametrize(
    "path",
    [
        "/user.slice/user-2000.slice/session-1.scope",
        "/system.slice/n0_slurmstepd.scope",
        "/system.slice/n0_slurmstepd.scope/system",
        "/system.slice/n1_slurmstepd.scope/job_7/step_0/user/task_0",
        "/user.slice/n0_slurmstepd.scope/job_7/step_0",
        "/system.slice/n0_slurmstepd.scope/../../user.slice/job_7",
        "/../system.slice/n0_slurmstepd.scope/job_7/step_0",
        "/",
    ],
)
def test_a_process_outside_this_nodes_jobs(v2: Path, path: str) -> None:
    assert member(v2, f"0::{path}\n") is None


def test_a_process_of_a_job_on_v1_is_told_by_the_tracking_hierarchy(v1: Path) -> None:
    found = member(v1, "4:memory:/slurm_n0/uid_2000/job_7/step_0\n6:freezer:/slurm_n0/uid_2000/job_7/step_0/task_0\n")
    assert found is not None
    assert (found.key, found.name.job_id, found.step) == ("uid_2000/job_7", 7, "0")
    assert member(v1, "6:freezer:/\n4:memory:/user.slice\n0::/slurm_n0/uid_0/job_7\n") is None


def test_a_daemon_in_a_container_sees_the_part_of_the_tree_that_its_mount_shows(tmp_path: Path) -> None:
    mountinfo = "40 31 0:37 /box/a /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n"
    root = machine(tmp_path, V2_MOUNTS, ("sys/fs/cgroup/system.slice/n0_slurmstepd.scope",), mountinfo)
    inside = member(root, "0::/box/a/system.slice/n0_slurmstepd.scope/job_7/step_0/user/task_0\n")
    assert inside is not None
    assert inside.name.job_id == 7
    assert member(root, "0::/system.slice/n0_slurmstepd.scope/job_7/step_0/user/task_0\n") is None
    assert member(root, "0::/box/ab/system.slice/n0_slurmstepd.scope/job_7/step_0\n") is None


@given(st.text(max_size=300))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert all(path.startswith("/") for path in parse_process_cgroups(text).values())
    parse_mount_roots(text)
