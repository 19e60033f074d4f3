"""Nodes that stand in a file which slurm.conf includes: `slurmlens membership` with a real Consul and a real slurmctld
that is started anew for each change, as a Slurm without dynamic nodes needs it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from deploy.component import Service, listens, start_and_wait
from deploy.components.consul import Consul
from deploy.errors import MachineLacks
from deploy.sandbox import Sandbox
from deploy.slurm import SmallSlurm
from deploy.slurmlens import program

from deploy import json_client
from testkit.waiting import until_blocking

pytestmark = pytest.mark.slurm

PATIENCE_S = 60.0
# As `systemctl restart` does: it fails where the new one ends at once or is not listening soon.
RESTART = """#!/bin/sh
old=$(cat {pid}); kill "$old"
while kill -0 "$old" 2>/dev/null; do sleep 0.05; done
setsid setpriv --reuid=slurm --regid=slurm --init-groups slurmctld -D </dev/null >/dev/null 2>&1 &
new=$!
for _ in $(seq 300); do
    kill -0 "$new" 2>/dev/null || exit 1
    ss -Hltn "sport = :{port}" | grep -q . && exit 0
    sleep 0.1
done
exit 1
"""


class Grown:
    """A Slurm of one node that includes a file for more of them, and a Consul where these register."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, self.consul = sandbox, Consul(sandbox)
        self.file = sandbox.folder / "etc/slurm/nodes.conf"
        self.file.write_text("")
        extra = "Include /etc/slurm/nodes.conf\nPartitionName=every Nodes=ALL State=UP"
        self.slurm = SmallSlurm(sandbox, nodes=1, extra_conf=extra)
        self.port, self.node = sandbox.ports.take(), f"{sandbox.identity}-grown"
        self.slurmd = Service(
            sandbox, f"slurmd.{self.node}", ["slurmd", "-D", "-N", self.node], lambda: listens(self.port)
        )
        self.restart = sandbox.folder / "restart"
        text = RESTART.format(pid=f"{sandbox.folder}/slurm/slurmctld.pid", port=self.slurm.settings.controller_port)
        self.restart.write_text(text)
        self.restart.chmod(0o755)

    def register(self, node: str, port: int) -> None:
        """A compute service says that it is there."""
        meta = {"node": node, "cpus": "1", "memory_mib": "512"}
        body = {"ID": node, "Name": "slurmd", "Address": "127.0.0.1", "Port": port, "Meta": meta}
        json_client.tell(f"{self.consul.url}/v1/agent/service/register", json.dumps(body).encode())

    def deregister(self, node: str) -> None:
        json_client.tell(f"{self.consul.url}/v1/agent/service/deregister/{node}", b"")

    def look(self, *options: str) -> tuple[int, str]:
        """One look of `slurmlens membership`: how it ended, and what it said."""
        words = [str(program("slurmlens")), "membership", "--once", "--consul", self.consul.url, "--leave-after", "0"]
        words += ["--memory", f"{self.sandbox.folder}/members.json", "--node-file", "/etc/slurm/nodes.conf"]
        words += ["--apply", str(self.restart), *options]
        if "--node-options" not in options:
            words += ["--node-options", f"NodeHostname={self.sandbox.host_name}"]
        done = self.sandbox.run(words, check=False, timeout_s=120)
        return done.returncode, done.stdout + done.stderr

    def nodes(self) -> dict[str, str]:
        """State by name, of the nodes that slurmctld has."""
        said = self.slurm.slurm("sinfo", "--noheader", "--Node", "--partition=every", "--format=%N %t", check=False)
        return {line.split()[0]: line.split()[1] for line in said.splitlines()}


@pytest.fixture
def grown() -> Iterator[Grown]:
    try:
        with Sandbox() as sandbox:
            made = Grown(sandbox)
            try:
                made.slurm.start()
                start_and_wait(made.consul)
                yield made
            finally:
                made.slurmd.stop()
                made.consul.stop()
                made.slurm.stop()
    except MachineLacks as error:
        pytest.skip(str(error))


def _kept(file: Path, suffix: str) -> str:
    return file.with_name(file.name + suffix).read_text()


def test_a_rendered_node_comes_and_goes_and_what_slurm_does_not_take_changes_nothing(grown: Grown) -> None:
    static = grown.slurm.node_names[0]
    job = grown.slurm.submit("sleep 15; exit 7", f"--nodelist={static}", "--mem=50")
    grown.slurm.wait_state(job, "RUNNING")

    grown.register(grown.node, grown.port)
    status, said = grown.look("--node-options", "Nonsense=1")
    assert status == 1, said
    assert "Slurm does not take the nodes, those before stay" in said
    assert (grown.file.read_text(), "Nonsense=1" in _kept(grown.file, ".refused")) == ("", True)
    assert set(grown.nodes()) == {static}

    status, said = grown.look()
    assert status == 0, said
    start_and_wait(grown.slurmd)
    until_blocking(lambda: grown.nodes().get(grown.node) == "idle", f"it is idle; {grown.nodes()}", PATIENCE_S)
    on_it = grown.slurm.submit("sleep 0", f"--nodelist={grown.node}", "--partition=every", "--mem=50")
    assert grown.slurm.wait(on_it).nodes == grown.node

    # Slurm's parser takes a name twice, slurmctld does not: it ends, and comes back with the file before.
    grown.register(static, grown.slurm.settings.nodes[0].port)
    good = grown.file.read_text()
    status, said = grown.look()
    assert status == 1, said
    assert "those before are back" in said
    assert grown.file.read_text() == good == _kept(grown.file, ".last-good")
    until_blocking(lambda: set(grown.nodes()) == {static, grown.node}, "slurmctld has both", PATIENCE_S)
    grown.deregister(static)

    grown.deregister(grown.node)
    until_blocking(lambda: grown.look()[0] == 0 and grown.node not in grown.file.read_text(), "it is out", PATIENCE_S)
    until_blocking(lambda: set(grown.nodes()) == {static}, f"slurmctld has it no more; {grown.nodes()}", PATIENCE_S)
    assert grown.slurm.wait(job).exit_code == "7:0"
