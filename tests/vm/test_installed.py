"""The packages on a live Debian 12: systemd as pid 1, pure cgroup v2, Slurm 22.05, installed by dpkg."""

from __future__ import annotations

import re

import pytest
from deploy.vm.machine import VirtualMachine

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
    cluster.until(f"scontrol show job {job} | grep -q COMPLETED", PATIENCE_S)
    cluster.until(f"slurmlens job {job} | grep -q COMPLETED", PATIENCE_S)
    text = cluster.run(f"slurmlens job {job}")
    assert re.search(rf"Job {job}\b", text)
