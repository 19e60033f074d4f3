"""The SPANK plugin in the slurmstepd of the release that it was built against: exact steps, and how tasks ended.

Before it, plugstack.conf is not there and steps are sampled; the last test takes it away again.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from deploy.vm.image import SUITES
from deploy.vm.machine import VirtualMachine

from testkit.checkout import ROOT
from vm.jobs import PATIENCE_S, page, steps_of, submit
from vm.packages import packages_for

BURNS_S = (0.001, 0.02, 0.2, 2.0)
AROUND_S = 0.15
"""What emulation takes before the task is in its step's folder (slurmstepd's child, which the program's own figure
has in it) and after its own last look. A real machine has 2 ms: tests/slurm/test_steps_on_real_slurm.py."""
PLUGIN = "/usr/lib/slurmlens/spank/spank_slurmlens.so"
OWN_WORDS = re.compile(r"^burn: ([0-9.]+) CPU s$", re.MULTILINE)


@pytest.fixture(scope="module")
def plugged(cluster: VirtualMachine, tmp_path_factory: pytest.TempPathFactory) -> VirtualMachine:
    """The package's own plugstack.d line included, as docs/spank.md says; and a program that knows what it burns."""
    program = tmp_path_factory.mktemp("burn") / "burn"
    subprocess.run(["gcc", "-O2", "-static", "-o", program, ROOT / "deploy/workloads/burn.c"], check=True)
    cluster.copy([Path(program)], "/usr/local/bin")
    cluster.put("include /etc/slurm/plugstack.conf.d/*.conf\n", "/etc/slurm/plugstack.conf")
    return cluster


def test_the_cpu_seconds_of_every_step_are_the_programs_own(plugged: VirtualMachine) -> None:
    script = "\n".join(f"srun -n1 /usr/local/bin/burn {burn_s}" for burn_s in BURNS_S)
    job = submit(plugged, script, "-n1 --mem=100 -o /tmp/burn.out")
    steps = steps_of(page(plugged, job))
    own = [float(said) for said in OWN_WORDS.findall(plugged.run("cat /tmp/burn.out"))]
    assert len(own) == len(BURNS_S)
    assert {"batch", *map(str, range(len(own)))} <= steps.keys()
    for number, said_s in enumerate(own):
        told = steps[str(number)]
        assert told["is_exact"], told
        assert said_s * 0.98 - AROUND_S <= told["cpu_s"] <= said_s * 1.02 + AROUND_S, (said_s, told["cpu_s"])


def test_how_each_task_ended_and_what_the_user_calls_a_step_is_on_the_page(plugged: VirtualMachine) -> None:
    script = "srun -n2 sh -c 'exit $SLURM_PROCID'\nSLURMLENS_TAG=warm-up srun -n1 true\nexit 0"
    job = submit(plugged, script, "-n2 --mem=100")
    steps = steps_of(page(plugged, job))
    assert (steps["0"]["tasks"], steps["0"]["exits_text"]) == (2, "1 × 0, 1 × 1 (task 1)")
    assert steps["1"]["tag"] == "warm-up"


def test_a_slurm_that_was_upgraded_before_the_plugin_runs_its_jobs_without_it(
    plugged: VirtualMachine, release: str, tmp_path: Path
) -> None:
    others = [found for other in SUITES if other != release for found in packages_for(other) if "-spank_" in found.name]
    if not others:
        pytest.skip("no packages of another release in dist/: `python -m deploy.vm.packages`")
    subprocess.run(["dpkg-deb", "-x", others[0], tmp_path], check=True)
    plugged.run(f"cp -a {PLUGIN} /root/plugin.kept")
    plugged.copy([tmp_path / PLUGIN.removeprefix("/")], str(Path(PLUGIN).parent))
    job = submit(plugged, "srun -n1 true")
    plugged.until(f"scontrol show job {job} | grep -q JobState=COMPLETED", PATIENCE_S)
    assert plugged.run("sinfo -h -o %t").strip() == "idle"
    plugged.run(f"mv /root/plugin.kept {PLUGIN}")
    assert not steps_of(page(plugged, job)).get("0", {}).get("is_exact")


def test_a_plugin_that_is_taken_away_leaves_steps_as_they_were(plugged: VirtualMachine) -> None:
    plugged.run("mv /etc/slurm/plugstack.conf.d/slurmlens.conf /root/slurmlens.conf.away")
    job = submit(plugged, "srun -n1 true")
    plugged.until(f"scontrol show job {job} | grep -q JobState=COMPLETED", PATIENCE_S)
    assert not steps_of(page(plugged, job)).get("0", {}).get("is_exact")
    plugged.run("mv /root/slurmlens.conf.away /etc/slurm/plugstack.conf.d/slurmlens.conf; rm /etc/slurm/plugstack.conf")
