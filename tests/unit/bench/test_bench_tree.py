"""Real cgroups of a benchmark: living workers in them, and nothing left of them, also after one that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.programs import program
from bench.result import NotMeasurable
from bench.tree import Tree

from testkit.checkout import ROOT

DIES_WITH_ITS_JOBS_RUNNING = """
import os, signal
from bench.programs import program
from bench.tree import Tree
Tree(program("worker"), job_count=2).__enter__()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def tree() -> Iterator[Tree]:
    """A tree not entered yet, on a machine where one can be."""
    try:
        tree = Tree(program("worker"), job_count=3)
        with tree:
            pass
    except NotMeasurable as reason:
        pytest.skip(str(reason))
    yield tree
    assert not folders(tree)


def folders(tree: Tree) -> list[Path]:
    return [folder for mount in tree.mounts.values() for folder in mount.glob("slurm_lensbench*")]


def test_every_job_has_a_living_process_that_the_kernel_charges(tree: Tree) -> None:
    with tree:
        for job_id in tree.job_ids:
            task = tree.job_folder("cpuacct", job_id) / "step_0" / "task_0"
            (pid,) = (task / "cgroup.procs").read_text().split()
            os.kill(int(pid), 0)
            assert int((tree.job_folder("memory", job_id) / "memory.max_usage_in_bytes").read_text()) > 0


def test_nothing_is_left_when_the_benchmark_ends(tree: Tree) -> None:
    with tree:
        assert folders(tree)
    assert not folders(tree)


def test_a_tree_that_is_cut_has_fewer_jobs_for_a_while(tree: Tree) -> None:
    with tree:
        last = tree.job_folder("memory", tree.job_ids[-1])
        with tree.cut_to(2):
            assert not last.exists()
            assert tree.job_folder("memory", tree.job_ids[1]).exists()
        assert (last / "step_0" / "task_0" / "cgroup.procs").read_text()


def test_a_second_benchmark_is_refused_while_one_runs(tree: Tree) -> None:
    with tree, pytest.raises(NotMeasurable, match="another benchmark"):
        Tree(program("worker"), job_count=1).__enter__()


def test_what_a_killed_benchmark_left_is_gone_when_the_next_one_begins(tree: Tree) -> None:
    died = subprocess.run([sys.executable, "-c", DIES_WITH_ITS_JOBS_RUNNING], cwd=ROOT, check=False)
    assert died.returncode == -signal.SIGKILL
    assert folders(tree)
    with tree:
        assert len(list(tree.user_folder("memory").glob("job_*"))) == 3
