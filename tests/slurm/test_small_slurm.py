"""The small Slurm is a real one: jobs run as the demo's users, and accounting tells how they ended."""

from __future__ import annotations

import pytest
from deploy.slurm import SmallSlurm

pytestmark = pytest.mark.slurm


def test_a_job_of_alice_runs_as_alice_and_accounting_has_it(small_slurm: SmallSlurm) -> None:
    job = small_slurm.submit('echo "$(id -un) $(id -Gn)"', "--job-name=hello")
    ended = small_slurm.wait(job)
    assert (ended.state, ended.exit_code, ended.user, ended.account) == ("COMPLETED", "0:0", "alice", "clusers")
    assert ended.partition == "all"
    output = small_slurm.sandbox.folder / f"home/alice/slurm-{job}.out"
    assert output.read_text() == "alice alice clusers\n"


def test_exit_42_is_failed_and_a_greedy_job_is_killed_for_memory(small_slurm: SmallSlurm) -> None:
    failing = small_slurm.submit("exit 42", user="john")
    greedy = small_slurm.submit("head -c 200M /dev/zero | tail -c 190M | wc -c", "--mem=50", user="bob")
    ended = small_slurm.wait(failing)
    assert (ended.state, ended.exit_code, ended.account) == ("FAILED", "42:0", "guests")
    assert small_slurm.wait(greedy).state == "OUT_OF_MEMORY"


def test_a_step_over_two_nodes_runs_on_both(small_slurm: SmallSlurm) -> None:
    job = small_slurm.submit('srun sh -c "echo $SLURMD_NODENAME; cat /proc/self/cgroup"', "--nodes=2", "--ntasks=2")
    assert small_slurm.wait(job).state == "COMPLETED"
    output = (small_slurm.sandbox.folder / f"home/alice/slurm-{job}.out").read_text()
    for node in small_slurm.node_names[:2]:
        assert f"slurm_{node}/uid_3001/job_{job}/step_0" in output


def test_partitions_are_formed_by_the_last_character_of_the_node_name(small_slurm: SmallSlurm) -> None:
    said = small_slurm.slurm("sinfo", "--noheader", "--Node", "--format=%N %P")
    members = sorted(tuple(line.split()) for line in said.splitlines())
    first, second, third = small_slurm.node_names
    assert [node for node, partition in members if partition == "odd"] == [second]
    assert [node for node, partition in members if partition == "even"] == [first, third]
    assert [node for node, partition in members if partition == "all*"] == [first, second, third]
