"""Jobs on real Slurm tell how far they are: by the kernel's word for whose they are, whatever another user writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from deploy.errors import MachineLacks
from deploy.sandbox import Sandbox
from deploy.slurmlens import APP_SOCKETS, program
from deploy.stack import Stack
from deploy.workloads.build import build

from deploy import json_client
from testkit.waiting import until_blocking

pytestmark = pytest.mark.slurm

PATIENCE_S = 90.0

FLOOD = """
import os, random, socket, sys, time
path, until_s = sys.argv[1], time.monotonic() + float(sys.argv[2])
lines = [b"1 job=4294967 progress 1 2", b"\\0" * 900, b"x" * 5000, b"1 progress nan 0", b"1 event " + b"e" * 900]
while time.monotonic() < until_s:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as one:
        one.settimeout(1)
        try:
            one.connect(path)
            one.send(random.choice(lines))
        except OSError:
            pass
"""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Two nodes, their daemons and the hub; no carbon."""
    try:
        with Sandbox() as sandbox:
            stack = Stack(sandbox, nodes=2)
            try:
                stack.start_slurm()
                stack.start_hub()
                stack.start_nodes()
                build(sandbox)
                yield stack
            finally:
                stack.stop()
    except MachineLacks as error:
        pytest.skip(str(error))


def view_of(stack: Stack, job_id: int) -> dict[str, Any]:
    """The job's page as JSON; empty while the hub does not know it."""
    try:
        found: dict[str, Any] = json_client.get(f"{stack.hub.url}/jobs/{job_id}.json")
    except json_client.NotFound:
        return {}
    return found


def refused(stack: Stack) -> dict[str, float]:
    """What the first node's daemon refused so far, by reason."""
    daemon = next(iter(stack.nodes.values()))
    argv = [str(program("slurmlens")), "status", "--json", "--socket", f"{daemon.folder}/run/status.sock"]
    said = stack.sandbox.run(argv, check=False).stdout  # it ends with 1: there is no carbon here
    counters = json.loads(said)["counters"]
    prefix = 'app_messages_refused_total{reason="'
    return {name[len(prefix) : -2]: value for name, value in counters.items() if name.startswith(prefix)}


def test_a_job_of_two_tasks_on_two_nodes_shows_how_far_it_is_and_when_it_is_done(stack: Stack) -> None:
    """At half time the estimate is within a tenth of the run of the true end."""
    workload = stack.sandbox.folder / "workloads/gemm"
    options = ("--nodes=2", "--ntasks=2", "--ntasks-per-node=1", "--time=10")
    job_id = stack.slurm.submit(f"srun --mpi=pmi2 {workload} 128 300 50", *options)
    seen: list[dict[str, Any]] = []

    def looks() -> bool:
        view = view_of(stack, job_id)
        if view.get("progress"):
            seen.append(view)
        return bool(seen) and seen[-1]["progress"]["ratio"] == 1.0

    until_blocking(lambda: looks() or seen, f"the job tells its progress; refused: {refused(stack)}", PATIENCE_S)
    until_blocking(looks, "the job told its last panel", PATIENCE_S, poll_s=0.5)
    stack.slurm.wait(job_id)
    half = next(view for view in seen if view["progress"]["ratio"] >= 0.5)
    told = half["progress"]
    assert told["total"] == 600
    assert told["tasks"] == 2
    assert told["step"] == "0"
    assert told["verdict"] == "will-make"
    assert told["rate_mean"] == pytest.approx(20, rel=0.5)
    assert "of 600, about" in half["headline"]
    end_ns, begin_ns = seen[-1]["progress"]["told_ns"], seen[-1]["times"]["started_ns"]
    assert abs(told["finish_ns"] - end_ns) <= 0.1 * (end_ns - begin_ns) + 1e9


def test_a_script_tells_progress_and_events_by_the_command(stack: Stack) -> None:
    slurmlens = program("slurmlens")
    script = f"{slurmlens} progress --strict 3/8 residual=1e-5 && {slurmlens} event half the way"
    job_id = stack.slurm.submit(script)
    assert stack.slurm.wait(job_id).state == "COMPLETED"
    view = until_blocking(lambda: (view := view_of(stack, job_id)).get("progress") and view, "it is shown", PATIENCE_S)
    assert (view["progress"]["done"], view["progress"]["total"]) == (3, 8)
    assert (view["progress"]["step"], view["progress"]["values"]) == ("batch", {"residual": 1e-5})
    assert "batch task 0: half the way" in [mark["text"] for mark in view["marks"]]


def test_a_watched_program_tells_its_progress(stack: Stack) -> None:
    watch = f"{program('slurmlens')} watch --pattern 'step (\\d+) of (\\d+)' --"
    job_id = stack.slurm.submit(f"{watch} sh -c 'echo step 4 of 5; exit 3'")
    assert stack.slurm.wait(job_id).exit_code == "3:0"
    view = until_blocking(lambda: (view := view_of(stack, job_id)).get("progress") and view, "it is shown", PATIENCE_S)
    assert (view["progress"]["done"], view["progress"]["total"]) == (4, 5)


def test_what_another_user_writes_for_seconds_changes_nothing_for_a_job(stack: Stack) -> None:
    """From inside a job of his own and from outside every job, on the node where the other one runs."""
    node = stack.slurm.node_names[0]
    path, seconds = f"{APP_SOCKETS}/{node}/app.sock", 20
    flood = stack.sandbox.folder / "workloads/flood.py"
    flood.write_text(FLOOD)
    workload = stack.sandbox.folder / "workloads/gemm"
    python = f"/usr/bin/python3 -I {flood} {path} {seconds}"
    flooding = stack.slurm.submit(f"{python} & {python} & wait", f"--nodelist={node}", "--mem=200", user="bob")
    stack.slurm.wait_state(flooding, "RUNNING")
    script = f"srun --mpi=pmi2 {workload} 64 500 50; exit $?"
    job_id = stack.slurm.submit(script, f"--nodelist={node}", "--mem=200", "--time=10")
    stack.slurm.wait_state(job_id, "RUNNING")
    stack.sandbox.run(["/usr/bin/python3", "-I", str(flood), path, "3"], user="carol", check=False)
    until_blocking(
        lambda: (view := view_of(stack, job_id)).get("progress") and view["progress"]["done"] > 100,
        "it is heard under the flood",
        PATIENCE_S,
    )
    assert stack.slurm.state(flooding) == "RUNNING"
    assert stack.slurm.wait(job_id).state == "COMPLETED"
    stack.slurm.wait(flooding)
    view = until_blocking(
        lambda: (view := view_of(stack, job_id)).get("progress", {}) and view["progress"]["ratio"] == 1.0 and view,
        "the job's last word",
        PATIENCE_S,
    )
    assert view["progress"]["total"] == 500
    assert not [mark for mark in view["marks"] if mark["kind"] == "told"]
    said = refused(stack)
    assert said["outside"] > 0
    assert said["malformed"] + said.get("rate", 0) > 0
    assert said["oversize"] > 0
    assert view_of(stack, flooding).get("progress") is None
