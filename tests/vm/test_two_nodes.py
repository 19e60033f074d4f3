"""Two slurmds on the one machine, each with a daemon of its own: what takes two nodes, and what stands beside tasks.

`NODE_slurmstepd.scope` is made by each slurmd for itself. A heterogeneous job has its parts on different nodes.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from deploy.vm.image import HOST_NAME
from deploy.vm.machine import VirtualMachine

from vm.jobs import PATIENCE_S, page, page_saying, steps_of, submit
from vm.slurm_conf import SLURM_CONF

NODES = ("vm1", "vm2")
BURN_S = 1.5
LONG_S = 25.0
"""Several times what slurmstepd and a shell take by themselves where all is emulated; two of the daemon's samples."""


def burn(cpu_s: float) -> str:
    """A Python program that takes so much."""
    looks = f"iter(lambda: time.process_time() - t < {cpu_s}, False)"
    return f"import time; t = time.process_time(); [None for _ in {looks}]"


DAEMON = """cluster = "vm"
node = "{node}"
dropbox_path = "/run/slurmlens/events/{node}"
runtime_path = "/run/slurmlens-{node}"

[app_socket]
path = "/run/slurmlens-{node}/app.sock"

[spool]
path = "/var/lib/slurmlens-{node}"

[sinks.hub]
url = "http://127.0.0.1:6830"
"""


def settings() -> str:
    """The cluster's slurm.conf with two nodes on one host, and ids that no job had before."""
    kept = [line for line in SLURM_CONF.splitlines() if not line.startswith(("NodeName", "SlurmdSpool", "SlurmdLog"))]
    nodes = [
        f"NodeName={node} NodeHostname={HOST_NAME} Port={7001 + index} CPUs=2 RealMemory=1500 State=UNKNOWN"
        for index, node in enumerate(NODES)
    ]
    # A slurmd ends the one that its own file of a process id names.
    folders = [
        "SlurmdSpoolDir=/var/lib/slurm/%n",
        "SlurmdLogFile=/var/log/slurm/%n.log",
        "SlurmdPidFile=/run/slurmd-%n.pid",
        "FirstJobId=5000",
    ]
    return "\n".join([*kept[:-1], *folders, *nodes, kept[-1]]) + "\n"


@pytest.fixture(scope="module")
def nodes(cluster: VirtualMachine) -> Iterator[VirtualMachine]:
    """Both nodes idle, their daemons started."""
    cluster.run("systemctl stop slurmd slurmctld slurmlens-node; rm -rf /var/lib/slurm/slurmctld/*")
    cluster.put(settings(), "/etc/slurm/slurm.conf")
    cluster.run("systemctl start slurmctld")
    for node in NODES:
        cluster.run(f"mkdir -p /var/lib/slurm/{node}; install -d -g slurmlens -m 2770 /run/slurmlens/events/{node}")
        cluster.put(DAEMON.format(node=node), f"/etc/slurmlens/{node}.toml")
        own = f"-p User=slurmlens -p StateDirectory=slurmlens-{node} -p RuntimeDirectory=slurmlens-{node}"
        cluster.run(
            f"systemd-run --unit=slurmlens-{node} {own} slurmlens-node --config /etc/slurmlens/{node}.toml; "
            f"systemd-run --unit=slurmd-{node} -p Delegate=yes -p KillMode=process slurmd -D -N {node}"
        )
    cluster.until(f"test $(sinfo -h -N -o %t | grep -c idle) = {len(NODES)}", PATIENCE_S)
    yield cluster
    cluster.run(f"systemctl stop slurmctld {' '.join(f'slurmd-{node} slurmlens-{node}' for node in NODES)}")


def test_a_job_over_two_slurmds_of_one_host_has_each_nodes_own_figures(nodes: VirtualMachine) -> None:
    job = submit(nodes, f'srun python3 -c "{burn(BURN_S)}"', "-N2 -n2 --mem=100")
    found = page(nodes, job)
    assert sorted(node["name"] for node in found["nodes"]) == list(NODES)
    for node in found["nodes"]:
        assert node["cpu"]["used"] >= BURN_S
        assert node["memory"]["used"] > 0


def test_each_part_of_a_heterogeneous_job_is_a_page_that_names_the_whole(nodes: VirtualMachine) -> None:
    parts_of_job = "#SBATCH -w vm1 -n1 --mem=50\n#SBATCH hetjob\n#SBATCH -w vm2 -n1 --mem=60"
    first = submit(nodes, f'{parts_of_job}\nsrun --het-group=0,1 python3 -c "{burn(BURN_S)}"', "")
    jobs = (first, str(int(first) + 1))
    for job in jobs:
        # squeue tells it: Prolog and Epilog of 22.05 are not told which part they are of.
        page_saying(nodes, job, r'"het_job_offset": ?\d')
    parts = [page(nodes, job) for job in jobs]
    assert [part["identity"]["het_job_id"] for part in parts] == [int(first)] * 2
    assert [part["identity"]["het_job_offset"] for part in parts] == [0, 1]
    assert [[node["name"] for node in part["nodes"]] for part in parts] == [["vm1"], ["vm2"]]
    assert all(part["nodes"][0]["cpu"]["used"] >= BURN_S for part in parts)


def test_a_requeued_job_has_two_runs_with_the_figures_of_each(nodes: VirtualMachine) -> None:
    script = (
        f'test "$SLURM_RESTART_COUNT" || {{ python3 -c "{burn(LONG_S)}"; touch /tmp/first.run; sleep 3000; }}\ntrue'
    )
    job = submit(nodes, script, "-w vm1 -n1 --mem=100 --requeue")
    nodes.until("test -e /tmp/first.run", PATIENCE_S)
    nodes.run(f"rm /tmp/first.run; scontrol requeue {job}")
    # Slurm holds a requeued job back for two minutes.
    nodes.until(
        f"squeue -h -j {job} -o %r | grep -q BeginTime && scontrol update JobId={job} StartTime=now", PATIENCE_S
    )
    first, second = (page(nodes, f"{job}/{run}") for run in (1, 2))
    assert [one["identity"]["run"] for one in (first, second)] == [1, 2]
    assert first["nodes"][0]["cpu"]["used"] >= LONG_S
    assert second["nodes"][0]["cpu"]["used"] < LONG_S / 2


def test_what_is_put_beside_a_jobs_tasks_is_counted_as_its_extern_step(nodes: VirtualMachine) -> None:
    """As pam_slurm_adopt does with a login: into `task_special` where the release keeps it, else beside its sleep."""
    job = submit(nodes, "touch /tmp/begun\nwhile test -e /tmp/begun; do sleep 1; done", "-w vm2 -n1 --mem=100")
    nodes.until("test -e /tmp/begun", PATIENCE_S)
    # A path with `task_special` sorts behind `task_0`, and is the one to take where both are there.
    extern = "find /sys/fs/cgroup/system.slice/vm2_slurmstepd.scope -path '*step_extern/user/task_*' -type d"
    special = nodes.run(f"{extern} | sort | tail -1")
    assert special.strip()
    nodes.put(burn(LONG_S), "/tmp/adopted.py")
    nodes.run(f"sh -c 'echo $$ > {special.strip()}/cgroup.procs; exec python3 /tmp/adopted.py'; rm /tmp/begun")
    found = page(nodes, job)
    # Its last sample may be ten seconds old when Slurm removes the folder; it is a lower bound then, and says so.
    extern, whole = steps_of(found)["extern"], found["nodes"][0]["cpu"]
    assert extern["cpu_s"] >= (LONG_S if extern["cpu_complete"] else LONG_S / 4)
    assert whole["used"] >= (LONG_S if whole.get("complete", True) else LONG_S / 4)
