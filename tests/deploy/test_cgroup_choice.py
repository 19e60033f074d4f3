"""The choice of a cgroup set-up, on mounts recorded from real machines and on variations of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from deploy.cgroups import Choice, Kind, Machine, cgroup_conf, choose, plugin_lines
from hypothesis import given
from hypothesis import strategies as st

MOUNTS = Path(__file__).parent.parent / "fixtures/mounts"
HYBRID = (MOUNTS / "hybrid-container.txt").read_text()
V2 = (MOUNTS / "v2-systemd.txt").read_text()
SYSTEMD_HYBRID = """\
tmpfs /sys/fs/cgroup tmpfs ro,nosuid,nodev,noexec,mode=755 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,nodev,noexec,relatime,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,nosuid,nodev,noexec,relatime,memory 0 0
cgroup /sys/fs/cgroup/freezer cgroup rw,nosuid,nodev,noexec,relatime,freezer 0 0
cgroup /sys/fs/cgroup/cpuset cgroup rw,nosuid,nodev,noexec,relatime,cpuset 0 0
"""


def machine(mounts: str, *, systemd: bool = False, writable: bool = True, controllers: str = "cpu memory") -> Machine:
    return Machine(mounts, systemd, writable, frozenset(controllers.split()))


def test_the_recorded_hybrid_machine_gets_cgroup_v1_by_name() -> None:
    choice = choose(machine(HYBRID, controllers="hugetlb"))
    assert choice.kind is Kind.V1
    assert {"freezer", "memory", "cpuacct", "cpuset", "devices"} <= choice.controllers
    assert "CgroupPlugin=cgroup/v1\n" in cgroup_conf(choice)


def test_hybrid_under_systemd_mounts_two_controllers_together_and_is_v1_too() -> None:
    choice = choose(machine(SYSTEMD_HYBRID, systemd=True))
    assert choice.kind is Kind.V1
    assert "ConstrainCores=yes" in cgroup_conf(choice)
    assert "ConstrainDevices" not in cgroup_conf(choice)


@pytest.mark.parametrize(("systemd", "kind"), [(True, Kind.V2_SYSTEMD), (False, Kind.V2_CONTAINER)])
def test_the_recorded_v2_machine_gets_v2_and_never_talks_to_systemd(systemd: bool, kind: Kind) -> None:
    choice = choose(machine(V2, systemd=systemd))
    assert choice.kind is kind
    assert "CgroupPlugin=cgroup/v2\nIgnoreSystemd=yes\n" in cgroup_conf(choice)


def test_a_container_that_may_not_write_its_cgroup_gets_none_and_runs_jobs_without_counters() -> None:
    choice = choose(machine(V2, writable=False))
    assert choice.kind is Kind.NONE
    assert "read-only" in choice.reason
    assert cgroup_conf(choice) == "CgroupPlugin=disabled\n"
    assert "proctrack/linuxproc" in plugin_lines(choice)
    assert "jobacct_gather/linux\n" in plugin_lines(choice)


def test_v2_mounted_read_only_gets_none() -> None:
    assert choose(machine(V2.replace(" rw,", " ro,"))).kind is Kind.NONE


def test_v1_controllers_mounted_read_only_do_not_count() -> None:
    choice = choose(machine(HYBRID.replace(" rw,", " ro,")))
    assert choice.kind is Kind.NONE
    assert "freezer" in choice.reason


def test_a_hybrid_machine_without_the_memory_controller_gets_none_and_says_which_is_missing() -> None:
    mounts = "".join(line for line in HYBRID.splitlines(keepends=True) if "/memory " not in line)
    choice = choose(machine(mounts))
    assert (choice.kind, "memory" in choice.reason) == (Kind.NONE, True)


def test_v2_without_the_memory_controller_gets_none_and_says_so() -> None:
    choice = choose(machine(V2, controllers="cpu pids"))
    assert (choice.kind, "memory" in choice.reason) == (Kind.NONE, True)


@given(st.text(), st.booleans(), st.booleans())
def test_whatever_the_mounts_say_there_is_a_choice_with_a_reason(mounts: str, systemd: bool, writable: bool) -> None:
    choice = choose(machine(mounts, systemd=systemd, writable=writable))
    assert isinstance(choice, Choice)
    assert choice.reason
