"""From slurmstepd to the job's page: every step exact, also where no daemon ran; the plugin alone is enough."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from deploy.errors import MachineLacks

from testkit.spine import Spine, restart, spine

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

STEPS = 60
OWN_WORDS = re.compile(r"^burn: ([0-9.]+) CPU s$", re.MULTILINE)


@pytest.fixture(scope="module")
def plugged() -> Iterator[Spine]:
    """Two nodes with the plugin and without Prolog or Epilog."""
    with ExitStack() as stack:
        try:
            yield stack.enter_context(spine(nodes=2, hooks=False, with_plugin=True))
        except MachineLacks as error:
            pytest.skip(str(error))


def _burning(count: int, seconds: str) -> str:
    return f'for i in $(seq {count}); do srun -n1 "$WORKLOADS/burn" {seconds}; done'


def _own_s(road: Spine, job_id: int) -> list[float]:
    """What the programs said of themselves, as far as they have run."""
    has_begun = (road.stack.sandbox.folder / "home" / "alice" / f"slurm-{job_id}.out").exists()
    return [float(said) for said in OWN_WORDS.findall(road.output(job_id))] if has_begun else []


def _numbered(view: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for step in view["steps"] if step["step"].isdecimal()]


def _assert_as_the_programs_say(view: dict[str, Any], own: list[float]) -> None:
    steps = _numbered(view)
    assert len(steps) == len(own)
    assert all(step["is_exact"] and step["cpu_complete"] for step in steps)
    wrong = [
        (step["step"], step["cpu_s"], said)
        for step, said in zip(steps, own, strict=True)
        if abs(step["cpu_s"] - said) > max(0.002, 0.02 * said)
    ]
    assert wrong == []


def test_every_step_of_a_loop_is_on_the_page_and_exact(plugged: Spine) -> None:
    job = plugged.submit(_burning(STEPS, "0.02"), f"--nodelist={plugged.stack.slurm.node_names[0]}")
    view = plugged.ended_view(job, 180.0)
    _assert_as_the_programs_say(view, _own_s(plugged, job))
    assert all(0 < step["ended_ns"] - step["started_ns"] < 5_000_000_000 for step in _numbered(view))


def test_a_job_that_no_daemon_saw_is_exact_when_one_runs_again(plugged: Spine) -> None:
    node = plugged.stack.slurm.node_names[1]
    plugged.stack.nodes[node].stop()
    job = plugged.submit(_burning(3, "0.2"), f"--nodelist={node}")
    plugged.stack.slurm.wait(job)
    restart(plugged, node)
    view = plugged.ended_view(job, 180.0)
    _assert_as_the_programs_say(view, _own_s(plugged, job))
    batch = next(step["cpu_s"] for step in view["steps"] if step["step"] == "batch")
    assert view["cpu"]["used"] == pytest.approx(sum(step["cpu_s"] for step in _numbered(view)) + batch, abs=0.01)
    assert view["cpu"]["source"] == "task_exit"


def test_a_daemon_that_is_killed_in_mid_job_forgets_no_step(plugged: Spine) -> None:
    node = plugged.stack.slurm.node_names[1]
    go = f"/tmp/go-{plugged.stack.sandbox.identity}"
    script = f'{_burning(3, "0.02")}; while [ ! -e {go} ]; do sleep 0.1; done; srun -n1 "$WORKLOADS/burn" 0.02'
    job = plugged.submit(script, f"--nodelist={node}")
    plugged.wait("three steps that have ended", lambda: len(_own_s(plugged, job)) == 3)
    plugged.stack.nodes[node].kill()
    restart(plugged, node)
    plugged.stack.sandbox.run(["touch", go])
    _assert_as_the_programs_say(plugged.ended_view(job, 180.0), _own_s(plugged, job))


def test_one_odd_task_is_named_on_the_page(plugged: Spine) -> None:
    script = 'srun -n4 sh -c "exit \\$((SLURM_PROCID == 2 ? 7 : 0))"'
    job = plugged.submit(script, "--nodes=2", "--ntasks=4", "--ntasks-per-node=2")
    step = _numbered(plugged.ended_view(job, 180.0))[0]
    assert step["exits_text"] == "3 × 0, 1 × 7 (task 2)"
