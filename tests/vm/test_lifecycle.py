"""What befalls a node: upgrade and reload under running jobs, a hanging daemon, too little memory, a full disk.

Each looks at what people look at afterwards: the job's page, systemd's state, the journal. Times are an emulated
machine's, so nothing here is timed.
"""

from __future__ import annotations

import pytest
from deploy.vm.image import HOST_NAME
from deploy.vm.machine import VirtualMachine

from vm.jobs import PATIENCE_S, page, page_saying, pages_of, submit
from vm.states import States

HOOKS = ("prolog", "epilog")
JOBS = 50
BURN_S = 2.0
BURN = f"import time; t = time.process_time(); [None for _ in iter(lambda: time.process_time() - t < {BURN_S}, False)]"


def property_of(cluster: VirtualMachine, name: str, unit: str = "slurmlens-node") -> str:
    return cluster.run(f"systemctl show -P {name} {unit}").strip()


@pytest.fixture(name="cluster")
def begun_anew(ready: States) -> VirtualMachine:
    """Each of these breaks something, and begins with all in order."""
    ready.machine.load(ready.ready)
    return ready.machine


MANY = """#!/bin/sh
awk 'BEGIN { for (i = 0; i < 100000; i++) x += i }'
folder=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)
grep usage_usec "${folder%%/step_*}/cpu.stat" > /tmp/.$SLURM_JOB_ID && mv /tmp/.$SLURM_JOB_ID /tmp/burned.$SLURM_JOB_ID
read -r _ < /tmp/enough
exit 0
"""
"""Says what its job's own cgroup has counted, and stands still until somebody opens the pipe to write."""


def test_a_reload_an_upgrade_and_a_kill_under_fifty_jobs_cost_none_its_figures(cluster: VirtualMachine) -> None:
    cluster.put(MANY, "/root/many.sh")
    cluster.run(f"scontrol update PartitionName=all OverSubscribe=FORCE:{JOBS}; mkfifo /tmp/enough")
    cluster.run(f"cd /tmp && sbatch --array=1-{JOBS} -n1 --mem=50 --oversubscribe -o /dev/null /root/many.sh")
    cluster.until(f"test $(ls /tmp/burned.* | wc -l) = {JOBS}", 2 * PATIENCE_S)

    reloaded_under_jobs(cluster)
    process_id = property_of(cluster, "MainPID")
    cluster.run("dpkg --force-unsafe-io -i /root/dist/slurmlens-hooks*.deb /root/dist/slurmlens-node*.deb")
    cluster.until(f"test $(systemctl show -P MainPID slurmlens-node) != {process_id}", PATIENCE_S)
    cluster.run("systemctl kill -s KILL slurmlens-node")
    cluster.until("systemctl is-active slurmlens-node", PATIENCE_S)
    assert len(cluster.run("squeue -h -r -t R -o %i").split()) == JOBS
    counted = cluster.run("cd /tmp && for one in burned.*; do echo $one $(cat $one); done").splitlines()
    burned = {name.removeprefix("burned."): float(usec) * 1e-6 for name, _, usec in map(str.split, counted)}
    cluster.run("exec 3> /tmp/enough; sleep 30")
    for job, found in pages_of(cluster, sorted(burned)).items():
        (node,) = found["nodes"]
        assert node["cpu"]["used"] >= burned[job]
        assert node["cpu"].get("complete", True)
        assert {"start_source": "hook", "end_source": "hook"}.items() <= found["times"].items()


def reloaded_under_jobs(cluster: VirtualMachine) -> None:
    """Good settings are applied within the process, bad ones are refused and change nothing."""
    process_id = property_of(cluster, "MainPID")
    cluster.put('[log]\nlevel = "debug"\n', "/etc/slurmlens/node.conf.d/20-test.toml")
    cluster.run("systemctl reload slurmlens-node")
    cluster.until("test $(journalctl -u slurmlens-node -b | grep -c ' watches vm/') = 2", PATIENCE_S)
    cluster.until("systemctl show -P ActiveState slurmlens-node | grep -x active", PATIENCE_S)
    cluster.put("no_such_key = 1\n", "/etc/slurmlens/node.conf.d/30-bad.toml")
    refused = cluster.run("systemctl reload slurmlens-node; echo $?", check=False)
    assert refused.splitlines()[-1] == "1"
    assert "no_such_key" in cluster.run("journalctl -u slurmlens-node -b")
    cluster.run("rm /etc/slurmlens/node.conf.d/30-bad.toml /etc/slurmlens/node.conf.d/20-test.toml")
    assert (property_of(cluster, "ActiveState"), property_of(cluster, "MainPID")) == ("active", process_id)


def test_a_daemon_that_hangs_is_killed_by_its_watchdog_and_its_job_goes_on(cluster: VirtualMachine) -> None:
    # The unit's own minute, instead of this slow machine's quarter of an hour.
    shorter = "/etc/systemd/system/slurmlens-node.service.d/20-watchdog.conf"
    cluster.put("[Service]\nWatchdogSec=60\nTimeoutAbortSec=20\n", shorter)
    cluster.run("systemctl daemon-reload; systemctl restart slurmlens-node")
    job = submit(cluster, f"python3 -c '{BURN}'\nuntil test -e /tmp/back; do sleep 2; done\npython3 -c '{BURN}'")
    cluster.until(f"journalctl SLURM_JOB_ID={job} | grep -q began", PATIENCE_S)
    before = int(property_of(cluster, "NRestarts"))
    cluster.run("systemctl kill -s STOP slurmlens-node")
    cluster.until(f"test $(systemctl show -P NRestarts slurmlens-node) -gt {before}", PATIENCE_S)
    assert "watchdog" in cluster.run("journalctl -u slurmlens-node -b | grep -i watchdog").lower()
    cluster.run(f"rm {shorter}; systemctl daemon-reload; systemctl restart slurmlens-node; touch /tmp/back")
    (node,) = page(cluster, job)["nodes"]
    assert node["cpu"]["used"] >= 4.0


def test_a_daemon_that_reaches_its_memory_limit_ends_alone_and_comes_back(cluster: VirtualMachine) -> None:
    cluster.run("systemctl set-property --runtime slurmlens-node MemoryMax=8M MemoryHigh=infinity")
    cluster.until("journalctl -u slurmlens-node -b | grep -q oom-kill", PATIENCE_S)
    cluster.run("systemctl set-property --runtime slurmlens-node MemoryMax=128M MemoryHigh=64M")
    cluster.until("systemctl is-active slurmlens-node", PATIENCE_S)
    assert cluster.run(f"sinfo -h -n {HOST_NAME} -o %t").strip() in ("idle", "mix", "alloc")


def test_a_full_spool_disk_loses_no_event_that_a_hook_wrote(cluster: VirtualMachine) -> None:
    cluster.run("systemctl stop slurmlens-hub slurmlens-node; mount -t tmpfs -o size=64k none /var/lib/slurmlens")
    cluster.run(
        "chown slurmlens:slurmlens /var/lib/slurmlens; head -c 60000 /dev/zero > /var/lib/slurmlens/full || true"
    )
    cluster.run("systemctl start slurmlens-node")
    job = submit(cluster, "true")
    cluster.until(f"scontrol show job {job} | grep -q JobState=COMPLETED", PATIENCE_S)
    assert "takes nothing" in cluster.until("journalctl -u slurmlens-node -b | grep 'takes nothing'", PATIENCE_S)
    cluster.run("systemctl start slurmlens-hub")
    found = page(cluster, job)
    assert {"start_source": "hook", "end_source": "hook"}.items() <= found["times"].items()
    cluster.run("systemctl stop slurmlens-node; umount /var/lib/slurmlens; systemctl start slurmlens-node")


def test_a_power_cut_in_mid_job_is_what_the_jobs_page_says(cluster: VirtualMachine) -> None:
    job = submit(cluster, "sleep 3000", "-n1 --mem=100 --no-requeue")
    cluster.until(f"journalctl SLURM_JOB_ID={job} | grep -q began", PATIENCE_S)
    page_saying(cluster, job, "RUNNING")
    cluster.run("systemctl enable slurmctld slurmd; sync")
    cluster.power_off()
    cluster.start()
    for unit in ("slurmlens-node", "slurmlens-hub", "run-slurmlens-events.mount"):
        cluster.until(f"systemctl is-active {unit}", PATIENCE_S)
    page_saying(cluster, job, "booted|NODE_FAIL")


def test_the_hooks_of_a_configless_node_tell_of_its_job(cluster: VirtualMachine, release: str) -> None:
    """slurmd has no slurm.conf of its own. slurmctld hands a Prolog out where slurm.conf names no folder, but for
    22.05, which hands out none: there slurm.conf names what is installed on each node."""
    hands_out = release != "22.05"
    for hook in HOOKS:
        cluster.put(f"#!/bin/sh\nexec /usr/libexec/slurmlens/slurmlens-{hook}\n", f"/etc/slurm/site-{hook}.sh")
    names = {hook: f"site-{hook}.sh" if hands_out else f"/usr/libexec/slurmlens/slurmlens-{hook}" for hook in HOOKS}
    edits = " ".join(f"-e 's,^{hook.capitalize()}=.*,{hook.capitalize()}={name},'" for hook, name in names.items())
    cluster.run(
        f"chmod 0755 /etc/slurm/site-*.sh; cp /etc/slurm/slurm.conf /root/slurm.conf.kept; "
        f"sed -i {edits} -e '$aSlurmctldParameters=enable_configless' /etc/slurm/slurm.conf; "
        f"systemctl stop slurmd; systemctl restart slurmctld"
    )
    unit = "systemd-run --unit=slurmd-configless -p Delegate=yes -p KillMode=process"
    cluster.run(f"{unit} slurmd -D --conf-server 127.0.0.1:6817")
    given = f"/run/slurm/conf/{'site-prolog.sh' if hands_out else 'slurm.conf'}"
    cluster.until(f"sinfo -h -n {HOST_NAME} -o %t | grep -q idle && test -s {given}", PATIENCE_S)
    job = submit(cluster, "true")
    times = page(cluster, job)["times"]
    cluster.run("systemctl stop slurmd-configless; mv /root/slurm.conf.kept /etc/slurm/slurm.conf")
    cluster.run("systemctl restart slurmctld; systemctl start slurmd")
    assert (times["start_source"], times["end_source"]) == ("hook", "hook")
    cluster.until(f"sinfo -h -n {HOST_NAME} -o %t | grep -q idle", PATIENCE_S)


def test_a_token_that_root_alone_can_read_reaches_node_and_hub_as_a_credential(cluster: VirtualMachine) -> None:
    """The drop-in of docs/installation.md, "New settings in a program that runs"."""
    cluster.run("install -d -m 0700 /etc/slurmlens/keys")
    for program, secret, setting in (
        ("hub", f"{HOST_NAME} s3cret-of-the-node\n", '[auth]\ntoken_file = "{path}"\n'),
        ("node", "s3cret-of-the-node\n", '[sinks.hub]\nauth = "token"\ntoken_file = "{path}"\n'),
    ):
        unit = f"slurmlens-{program}"
        cluster.put(secret, f"/etc/slurmlens/keys/{program}")
        cluster.run(f"chmod 0400 /etc/slurmlens/keys/{program}")
        drop_in = f"[Service]\nLoadCredential=token:/etc/slurmlens/keys/{program}\n"
        cluster.put(drop_in, f"/etc/systemd/system/{unit}.service.d/50-token.conf")
        path = f"/run/credentials/{unit}.service/token"
        cluster.put(setting.format(path=path), f"/etc/slurmlens/{program}.conf.d/50-token.toml")
    cluster.run("systemctl daemon-reload; systemctl restart slurmlens-hub slurmlens-node")
    found = page(cluster, submit(cluster, "true"))
    assert found["times"]["start_source"] == "hook"
    cluster.run("rm /etc/systemd/system/slurmlens-*.service.d/50-token.conf /etc/slurmlens/*.conf.d/50-token.toml")
    cluster.run("systemctl daemon-reload; systemctl restart slurmlens-hub slurmlens-node")
