"""The SPANK plugin in real slurmstepds, no daemon anywhere: CPU seconds as the programs' own, and no job is harmed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from deploy.errors import MachineLacks
from deploy.sandbox import Sandbox
from deploy.slurm import Accounted, SmallSlurm
from deploy.workloads.build import build

from deploy import slurmlens
from slurmlens.events import FigureSource
from slurmlens.hook_events import StepEvent, StepRole
from slurmlens.wire import step

pytestmark = pytest.mark.slurm

BASE = "/run/slurmlens"
STEPS_OF_A_KIND = 10
BURNS_S = (0.001, 0.02, 0.2, 2.0)
OWN_WORDS = re.compile(r"^burn: ([0-9.]+) CPU s$", re.MULTILINE)


@pytest.fixture(scope="module")
def plugged_slurm() -> Iterator[SmallSlurm]:
    """Two nodes with the plugin alone: no Prolog, no Epilog."""
    with ExitStack() as stack:
        try:
            sandbox = stack.enter_context(Sandbox())
            slurm = SmallSlurm(sandbox, nodes=2, plugstack=slurmlens.spank_plugin(sandbox, "options=yes"))
        except MachineLacks as error:
            pytest.skip(str(error))
        slurmlens.make_dropboxes(sandbox, slurm.node_names)
        sandbox.run(["mkdir", "-p", f"{BASE}/lost"])
        stack.callback(slurm.stop)
        slurm.start()
        build(sandbox)
        yield slurm


def _shell(slurm: SmallSlurm, script: str) -> str:
    return slurm.sandbox.run(["sh", "-c", script]).stdout


def _events(slurm: SmallSlurm, job_id: int, role: StepRole) -> list[StepEvent]:
    lines = _shell(slurm, f"cat {BASE}/events/*/*.json").splitlines()
    told = [step.decode(line.encode()) for line in lines if step.is_step(line.encode())]
    return [event for event in told if event.job.job_id == job_id and event.role is role]


def _steps(slurm: SmallSlurm, job_id: int) -> dict[str, StepEvent]:
    """The exit of each step of a job on one node."""
    return {event.told.step: event for event in _events(slurm, job_id, StepRole.EXIT)}


def _output(slurm: SmallSlurm, job: Accounted) -> str:
    return (slurm.sandbox.folder / "home" / job.user / job.output_name).read_text()


@pytest.mark.parametrize("burn_s", BURNS_S)
def test_cpu_seconds_of_every_step_are_the_programs_own(plugged_slurm: SmallSlurm, burn_s: float) -> None:
    count = STEPS_OF_A_KIND if burn_s < 1 else 3
    burn = plugged_slurm.sandbox.folder / "workloads/burn"
    job = plugged_slurm.wait(plugged_slurm.submit(f"for i in $(seq {count}); do srun -n1 {burn} {burn_s}; done"), 120.0)
    own = [float(said) for said in OWN_WORDS.findall(_output(plugged_slurm, job))]
    steps = _steps(plugged_slurm, job.job_id)
    assert set(steps) == {"extern", "batch", *map(str, range(count))}
    assert len(own) == count
    for number, said_s in enumerate(own):
        told = steps[str(number)].told
        assert told.cpu_s is not None
        assert (told.cpu_s.source, told.cpu_s.complete) == (FigureSource.TASK_EXIT, True)
        assert abs(told.cpu_s.value - said_s) <= max(0.002, 0.02 * said_s), (number, told.cpu_s.value, said_s)


def test_a_step_over_two_nodes_is_told_by_both_with_its_exit_codes(plugged_slurm: SmallSlurm) -> None:
    script = 'srun -n4 sh -c "exit \\$((SLURM_PROCID == 2 ? 7 : 0))"; exit 0'
    job = plugged_slurm.wait(plugged_slurm.submit(script, "--nodes=2", "--ntasks=4", "--ntasks-per-node=2"))
    exits = [event for event in _events(plugged_slurm, job.job_id, StepRole.EXIT) if event.told.step == "0"]
    assert sorted(event.node or "" for event in exits) == plugged_slurm.node_names[:2]
    ways = sorted((one.code, one.tasks) for event in exits for one in event.told.exits)
    assert ways == [(0, 1), (0, 2), (7, 1)]
    assert [one.first_tasks for event in exits for one in event.told.exits if one.code == 7] == [(2,)]


def test_a_step_that_is_killed_for_memory_says_so(plugged_slurm: SmallSlurm) -> None:
    script = 'srun sh -c "head -c 200M /dev/zero | tail -c 190M | wc -c"'
    job = plugged_slurm.wait(plugged_slurm.submit(script, "--mem=50"))
    told = _steps(plugged_slurm, job.job_id)["0"].told
    assert told.oom_kills is not None
    assert told.oom_kills >= 1


def test_what_the_user_asks_comes_with_the_step(plugged_slurm: SmallSlurm) -> None:
    script = "SLURMLENS_TAG=first srun true; srun --lens-tag=second --lens-interval=2 true; SLURMLENS_OFF=1 srun true"
    job = plugged_slurm.wait(plugged_slurm.submit(script))
    steps = _steps(plugged_slurm, job.job_id)
    assert {name: steps[name].told.tag for name in ("0", "1")} == {"0": "first", "1": "second"}
    assert "2" not in steps
    asked = {event.told.step: event.interval_s for event in _events(plugged_slurm, job.job_id, StepRole.START)}
    assert asked["1"] == 2.0


# --- that it harms nobody

SPOILED = {
    "missing": f"mount -t tmpfs over {BASE}; mkdir {BASE}/lost",
    "a file": f"mount -t tmpfs over {BASE}; mkdir {BASE}/lost; touch {BASE}/events",
    "read-only": f"mount -t tmpfs -o ro over {BASE}/events",
    "full": f"mount -t tmpfs -o size=4k over {BASE}/events; head -c 4096 /dev/zero > {BASE}/events/filler",
    "somebody else's": f"mount -t tmpfs -o uid=3001,mode=700 over {BASE}/events",
    "no lost folder": f"mount -t tmpfs -o ro over {BASE}",
}
MENDED = "umount $(awk '$1 == \"over\" { print $2 }' /proc/self/mounts)"
JOBS = {
    "exit 0": "srun true",
    "exit 42": "srun true; exit 42",
    "a step fails": "srun sh -c 'exit 3'",
    "a signal": "srun sh -c 'kill -9 $$'",
}


def _outcomes(slurm: SmallSlurm) -> dict[str, tuple[str, str]]:
    submitted = {name: slurm.submit(script) for name, script in JOBS.items()}
    ended = {name: slurm.wait(job) for name, job in submitted.items()}
    return {name: (job.state, job.exit_code) for name, job in ended.items()}


def _drained(slurm: SmallSlurm) -> list[str]:
    said = slurm.slurm("sinfo", "--noheader", "--Node", "--format=%T %E")
    return [line for line in said.splitlines() if "drain" in line or "rror" in line]


@pytest.fixture(scope="module")
def outcomes_without(plugged_slurm: SmallSlurm) -> dict[str, tuple[str, str]]:
    """How the same jobs end in the same Slurm when the plugin is not there."""
    with_plugin = _shell(plugged_slurm, "cat /etc/slurm/plugstack.conf")
    _shell(plugged_slurm, ": > /etc/slurm/plugstack.conf")
    try:
        return _outcomes(plugged_slurm)
    finally:
        (plugged_slurm.sandbox.folder / "etc/slurm/plugstack.conf").write_text(with_plugin)


@pytest.mark.parametrize("how", SPOILED)
def test_a_spoiled_dropbox_changes_no_jobs_end(
    plugged_slurm: SmallSlurm, outcomes_without: dict[str, tuple[str, str]], how: str
) -> None:
    _shell(plugged_slurm, f"rm -f {BASE}/lost/*; {SPOILED[how]}")
    try:
        ended = _outcomes(plugged_slurm)
    finally:
        _shell(plugged_slurm, MENDED)
    assert ended == outcomes_without
    assert _drained(plugged_slurm) == []


@pytest.mark.parametrize(
    "line", ["optional {plugin} rubbish=%n options=maybe", "optional /nowhere.so", "optional {folder}"]
)
def test_a_spoiled_plugstack_changes_no_jobs_end(
    plugged_slurm: SmallSlurm, outcomes_without: dict[str, tuple[str, str]], line: str
) -> None:
    conf = plugged_slurm.sandbox.folder / "etc/slurm/plugstack.conf"
    good = conf.read_text()
    plugin = good.split()[1]
    conf.write_text(line.format(plugin=plugin, folder="/tmp") + "\n")
    try:
        assert _outcomes(plugged_slurm) == outcomes_without
    finally:
        conf.write_text(good)
    assert _drained(plugged_slurm) == []


def test_the_flag_file_silences_it(plugged_slurm: SmallSlurm, outcomes_without: dict[str, tuple[str, str]]) -> None:
    _shell(plugged_slurm, f"touch {BASE}/off; rm -f {BASE}/events/*/*.json")
    try:
        assert _outcomes(plugged_slurm) == outcomes_without
        assert _shell(plugged_slurm, f"find {BASE}/events -name '*.json'") == ""
    finally:
        _shell(plugged_slurm, f"rm {BASE}/off")
