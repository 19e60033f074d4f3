"""What a killed instance leaves is found by its mark and removed; what lives is never touched."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from deploy import cgroup_folders, instance


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Instances below a folder of the test, cgroups too: rmdir refuses a non-empty ordinary folder as well."""
    (tmp_path / "cgroup/memory").mkdir(parents=True)
    monkeypatch.setattr(instance, "BASE", tmp_path)
    monkeypatch.setattr(cgroup_folders, "CGROUP_ROOT", tmp_path / "cgroup")
    return tmp_path


def dead_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def make_cgroup(base: Path, identity: str) -> Path:
    job = base / f"cgroup/memory/slurm_{identity}-compute0/uid_3001/job_7"
    job.mkdir(parents=True)
    return job.parent.parent


def test_a_new_instance_is_live_and_has_an_id_of_its_own(base: Path) -> None:
    first, second = instance.create(), instance.create()
    assert first != second
    assert instance.is_live(first)
    assert instance.remove_leftovers() == []
    assert first.exists()


def test_the_folder_and_the_cgroups_of_a_dead_instance_are_removed(base: Path) -> None:
    folder = instance.create()
    cgroup = make_cgroup(base, instance.identity(folder))
    instance.mark(folder, dead_pid())
    assert instance.remove_leftovers() == [instance.identity(folder)]
    assert not folder.exists()
    assert not cgroup.exists()


def test_a_pid_that_now_belongs_to_another_process_does_not_keep_a_folder_alive(base: Path) -> None:
    folder = instance.create()
    (folder / instance.MARK).write_text(f'[{{"pid": {os.getpid()}, "started": 1}}]')
    assert not instance.is_live(folder)


@pytest.mark.parametrize("mark", ["", "{", "7", "[7]", '[{"pid": "x"}]', '{"pid": 1}', "[]"])
def test_a_mark_that_makes_no_sense_is_of_a_dead_instance(base: Path, mark: str) -> None:
    folder = instance.create()
    (folder / instance.MARK).write_text(mark)
    assert not instance.is_live(folder)


def test_one_living_owner_of_several_is_enough(base: Path) -> None:
    folder = instance.create()
    instance.mark(folder, dead_pid(), os.getpid())
    assert instance.is_live(folder)


def test_cgroups_of_the_living_and_of_instances_that_are_not_known_here_are_kept(base: Path) -> None:
    folder = instance.create()
    living, unknown = make_cgroup(base, instance.identity(folder)), make_cgroup(base, "dead")
    assert instance.remove_leftovers() == []
    assert living.exists()
    assert unknown.exists(), "it may live in another container, with a /tmp of its own"


def test_a_cgroup_folder_of_another_slurm_is_not_ours(base: Path) -> None:
    other = base / "cgroup/memory/slurm_node17/uid_0"
    other.mkdir(parents=True)
    instance.remove_leftovers()
    assert other.exists()


def test_a_link_that_looks_like_an_instance_is_not_followed(base: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (base / "slurmlens-dabc").symlink_to(precious)
    instance.remove_leftovers()
    assert precious.exists()
