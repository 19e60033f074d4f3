"""The packages on the live Debian of a Slurm release: systemd as pid 1, pure cgroup v2, installed by dpkg."""

from __future__ import annotations

import json
import re

import pytest
from deploy.vm.machine import VirtualMachine

from vm.jobs import page, page_saying, steps_of

PATIENCE_S = 180.0


def test_a_package_that_is_installed_has_started_nothing(machine: VirtualMachine) -> None:
    said = machine.run("systemctl is-enabled slurmlens-node slurmlens-hub slurmlens-relay", check=False)
    assert said.split() == ["disabled"] * 3
    assert machine.run("slurmlens --version").strip() == "0.1.0"


@pytest.mark.parametrize("program", ["hub", "relay", "node"])
def test_a_unit_starts_as_shipped(machine: VirtualMachine, program: str) -> None:
    # The shipped hub and relay listen on one port: a site has one of them on a host.
    for other in {"hub", "relay"} - {program}:
        machine.run(f"systemctl stop slurmlens-{other}")
    machine.run(f"systemctl start slurmlens-{program} || (systemctl status -n 30 slurmlens-{program}; false)")
    assert machine.run(f"systemctl show -P NRestarts slurmlens-{program}").strip() == "0"


def test_settings_that_cannot_be_used_end_a_unit_once(machine: VirtualMachine) -> None:
    machine.run("systemctl stop slurmlens-relay; mkdir -p /etc/slurmlens/relay.conf.d")
    machine.put("no_such_key = 1\n", "/etc/slurmlens/relay.conf.d/bad.toml")
    machine.run("systemctl start slurmlens-relay", check=False)
    state = machine.run("systemctl show -p NRestarts -p ActiveState -p Result slurmlens-relay").split()
    assert set(state) == {"NRestarts=0", "ActiveState=failed", "Result=exit-code"}
    assert "no_such_key" in machine.run("journalctl -u slurmlens-relay")
    machine.run("rm /etc/slurmlens/relay.conf.d/bad.toml; systemctl reset-failed slurmlens-relay")


def test_a_job_that_ran_is_shown_as_completed(cluster: VirtualMachine) -> None:
    burn = "import time; t = time.process_time(); [None for _ in iter(lambda: time.process_time() - t < 2, False)]"
    cluster.put(f"#!/bin/sh\nsrun python3 -c '{burn}'\n", "/root/burn.sh")
    job = cluster.run("cd /tmp && sbatch --parsable -n1 --mem=200 /root/burn.sh").strip()
    page_saying(cluster, job, "COMPLETED")
    text = cluster.run(f"slurmlens job {job}")
    assert re.search(rf"Job {job}\b", text)
    assert "COMPLETED" in text


def test_the_journal_is_searched_by_job_by_program_and_by_priority(cluster: VirtualMachine) -> None:
    """Every example of docs/installation.md, "What the journal has"."""
    job = cluster.run("cd /tmp && sbatch --parsable -n1 --mem=100 --wrap true").strip()
    cluster.until(f"journalctl SLURM_JOB_ID={job} | grep -q 'job {job}: '", PATIENCE_S)
    entries = [json.loads(line) for line in cluster.run(f"journalctl -o json SLURM_JOB_ID={job}").splitlines()]
    daemons = [one for one in entries if one["SYSLOG_IDENTIFIER"] == "slurmlens-node"]
    assert [one["SLURMLENS_EVENT"] for one in daemons] == ["job_began", "job_ended", "job_measured"]
    assert {one["PRIORITY"] for one in daemons} == {"6"}
    assert {one["_SYSTEMD_UNIT"] for one in daemons} == {"slurmlens-node.service"}
    assert f"job {job} began" not in cluster.run("journalctl -u slurmlens-node -p warning")


def test_a_hook_that_loses_an_event_says_so_under_its_own_name(cluster: VirtualMachine) -> None:
    cluster.run(
        "SLURM_JOB_ID=4711 unshare -m sh -c 'umount -l /run/slurmlens/events; mount -t tmpfs -o ro none "
        "/run/slurmlens/events; exec /usr/libexec/slurmlens/slurmlens-prolog'"
    )
    (line,) = cluster.run("journalctl -o json -t slurmlens-prolog SLURM_JOB_ID=4711").splitlines()
    told = json.loads(line)
    assert told["PRIORITY"] == "3"
    assert "event of job 4711 is lost" in told["MESSAGE"]


def test_a_kill_for_memory_is_counted_exactly_in_the_job_and_in_its_step(cluster: VirtualMachine) -> None:
    cluster.put("#!/bin/sh\nsrun python3 -c 'len(bytearray(300 << 20))'\n", "/root/greedy.sh")
    job = cluster.run("cd /tmp && sbatch --parsable -n1 --mem=60 /root/greedy.sh").strip()
    # 22.05 calls the step OUT_OF_MEMORY and, as its batch script was not killed, the job FAILED.
    told = page(cluster, job)
    assert told["state"] in ("OUT_OF_MEMORY", "FAILED")
    (node,) = told["nodes"]
    steps = {step["step"]: step.get("oom_kills") for step in told["steps"]}
    assert (node["oom_kills"], steps["0"], steps["batch"]) == (1, 1, 0)
    assert "killed for memory" in told["headline"]


def test_a_restart_of_the_daemon_in_mid_job_costs_no_step_its_figures(cluster: VirtualMachine) -> None:
    burn = "import time; t = time.process_time(); [None for _ in iter(lambda: time.process_time() - t < 2, False)]"
    cluster.put(f"#!/bin/sh\nsrun python3 -c '{burn}'\ntouch /tmp/first\nsleep 45\nsrun true\n", "/root/steps.sh")
    job = cluster.run("cd /tmp && rm -f first; sbatch --parsable -n1 --mem=200 /root/steps.sh").strip()
    cluster.until("test -e /tmp/first", PATIENCE_S)
    cluster.run("sleep 12; systemctl kill -s KILL slurmlens-node")
    cluster.until("systemctl is-active slurmlens-node", 60)
    steps = steps_of(page(cluster, job))
    assert {"batch", "0", "1"} <= steps.keys()
    assert steps["0"]["cpu_complete"]
    assert steps["0"]["cpu_s"] >= 2.0


def test_a_setup_that_is_run_again_has_nothing_to_do_and_the_doctor_nothing_to_say(cluster: VirtualMachine) -> None:
    again = [json.loads(cluster.run(f"slurmlens setup {role} --json")) for role in ("hub", "node")]
    assert {step["state"] for outcome in again for step in outcome} == {"was done"}
    found = {one["subject"]: one["state"] for one in json.loads(cluster.run("slurmlens doctor --json"))}
    assert set(found.values()) == {"right"}


def test_removing_the_hooks_under_a_slurm_conf_that_names_them_drains_no_node(cluster: VirtualMachine) -> None:
    cluster.run("dpkg -r slurmlens-spank slurmlens-hooks")
    job = cluster.run("cd /tmp && sbatch --parsable -n1 --mem=100 --wrap true").strip()
    cluster.until(f"scontrol show job {job} | grep -q JobState=COMPLETED", PATIENCE_S)
    cluster.until("sinfo -h -o %t | grep -q idle", 60)
    assert cluster.run("/etc/slurm/prolog.d/50-slurmlens; echo $?").strip() == "0"
    assert cluster.run("ls /etc/slurm/plugstack.conf.d/*.conf 2>/dev/null || true").strip() == ""
    cluster.run("dpkg -i /root/dist/slurmlens-hooks*.deb /root/dist/slurmlens-spank*.deb")
    assert cluster.run("ls /etc/slurm/plugstack.conf.d/*.conf").strip().endswith("/slurmlens.conf")
    called = cluster.run("readlink -f /etc/slurm/prolog.d/50-slurmlens").strip()
    assert called == "/usr/lib/slurmlens/hooks/slurmlens-hook"
