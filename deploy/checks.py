"""What the demo checks: the ends of the jobs as planned, the hub against the scheduler, the series read back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from deploy.running import Ended
from deploy.stack import Stack
from deploy.workloads.scenario import expected_end

Check = Callable[[bool, str], None]


def check_all(stack: Stack, ended: Sequence[Ended], check: Check) -> None:
    """Every check, in the order of the data."""
    check_ends(stack.slurm.node_names[-1], ended, check)


def check_ends(faulty: str, ended: Sequence[Ended], check: Check) -> None:
    """Each job ended as planned; a random one by the nodes it was given."""
    for each in ended:
        expected = expected_end(each.planned, each.nodes, faulty)
        got = (each.accounted.state, each.accounted.exit_code)
        text = f"job {each.job_id} ({each.planned.role.value}) is {' '.join(got)}"
        check(got == expected, text if got == expected else f"{text}, expected {' '.join(expected)}")
