"""Two hundred jobs at once with every hook that Slurm has, plugin and daemons: they end as in a Slurm without us."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from deploy.errors import MachineLacks
from deploy.sandbox import Sandbox
from deploy.slurm import ENDED, SmallSlurm
from deploy.stack import Stack

from testkit.waiting import until_blocking

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

JOBS = 200
NODES = 4
AT_ONCE_ON_A_CPU = 4
PATIENCE_S = 300.0
SCRIPT = """case $((SLURM_ARRAY_TASK_ID % 5)) in
0) srun true ;;
1) exit 42 ;;
2) srun sh -c 'exit 3' ;;
3) kill -9 $$ ;;
4) srun true; exit 7 ;;
esac"""
Outcome = tuple[str, str]


def outcomes(slurm: SmallSlurm) -> dict[str, Outcome]:
    """State and exit code of each of the jobs, by its number in the array."""
    nodes = ",".join(slurm.node_names)
    shared = f"PartitionName=all Nodes={nodes} OverSubscribe=FORCE:{AT_ONCE_ON_A_CPU}"
    slurm.slurm("scontrol", "update", *shared.split())
    array = slurm.submit(SCRIPT, f"--array=1-{JOBS}", "--mem=50", "--output=/dev/null", "--hold")
    slurm.slurm("scontrol", "release", str(array))

    def ended() -> dict[str, Outcome] | None:
        jobs = [job for job in slurm.accounted() if job.submitted_id == array and job.complete]
        told = {job.shown.partition("_")[2]: (job.state, job.exit_code) for job in jobs}
        return told if len(told) == JOBS else None

    found: dict[str, Outcome] = until_blocking(ended, f"{JOBS} jobs have ended", PATIENCE_S, poll_s=1.0)
    until_blocking(lambda: not slurm.slurm("squeue", "--noheader").strip(), "no job is left", PATIENCE_S, poll_s=0.5)
    return found


def node_states(slurm: SmallSlurm) -> Counter[str]:
    """How many nodes are in which state, for which reason."""
    return Counter(slurm.slurm("sinfo", "--noheader", "--Node", "--partition=all", "--format=%T %E").splitlines())


def complaints(log: Path) -> list[str]:
    """What a daemon of Slurm logged as an error of a hook or of the plugin."""
    return re.findall(r"^.*error.*(?:prolog|epilog|spank).*$", log.read_text(), re.MULTILINE | re.IGNORECASE)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("daemon", ["up", "stopped"])
def test_two_hundred_jobs_at_once_end_as_without_us(daemon: str) -> None:
    try:
        with Sandbox() as sandbox:
            bare = SmallSlurm(sandbox, nodes=NODES)
            bare.start()
            without, states_without = outcomes(bare), node_states(bare)
            bare.stop()
        with Sandbox() as sandbox:
            stack = Stack(sandbox, nodes=NODES, with_plugin=True)
            try:
                stack.start_slurm()
                stack.start_hub()
                stack.start_nodes()
                if daemon == "stopped":
                    for one in stack.nodes.values():
                        assert one.process is not None
                        one.process.pause()
                told, states = outcomes(stack.slurm), node_states(stack.slurm)
            finally:
                stack.stop()
            logs = sorted((sandbox.folder / "slurm/log").glob("*.log"))
            assert [line for log in logs for line in complaints(log)] == []
    except MachineLacks as error:
        pytest.skip(str(error))
    assert {state for state, _ in without.values()} <= ENDED
    assert Counter(without.values()) == {
        ("COMPLETED", "0:0"): JOBS // 5,
        ("FAILED", "42:0"): JOBS // 5,
        ("FAILED", "3:0"): JOBS // 5,
        ("FAILED", "0:9"): JOBS // 5,
        ("FAILED", "7:0"): JOBS // 5,
    }
    assert told == without
    assert states == states_without == {"idle none": NODES}
