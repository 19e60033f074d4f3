"""A real rsyslog with the shipped configuration: what a host logs is found at the hub, with its job."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from bench.hub_load.programs import hub
from bench.node_daemon import TOKEN

from slurmlens.hub.views.logs.view import LogsView
from testkit.checkout import ROOT
from testkit.waiting import until_blocking

ADDRESS_SHIPPED = "/usr/bin/slurmlens forward --hub http://hub.example.org:6830"
INPUTS = """
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{folder}/log" CreatePath="on" UseSysTimeStamp="off")
global(workDirectory="{folder}" localHostname="n1")
"""


class Host:
    """A host whose rsyslog forwards to the hub at `address`."""

    def __init__(self, folder: Path, address: str) -> None:
        token = folder / "token"
        token.touch(0o600)
        token.write_text(TOKEN)
        forward = f"{sys.executable} -m slurmlens.cli.main forward --node n1 --token-file {token} --hub {address}"
        shipped = (ROOT / "etc" / "rsyslog" / "slurmlens.conf").read_text()
        assert ADDRESS_SHIPPED in shipped
        configuration = folder / "rsyslog.conf"
        configuration.write_text(INPUTS.format(folder=folder) + shipped.replace(ADDRESS_SHIPPED, forward))
        self._socket = folder / "log"
        self._address = address
        command = ["rsyslogd", "-n", "-f", configuration, "-i", folder / "rsyslog.pid"]
        self.process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT / "daemon")})

    def log(self, tag: str, *messages: str) -> None:
        for message in messages:
            subprocess.run(["logger", "-u", self._socket, "-t", tag, "--", message], check=True)

    def found(self, query: str) -> LogsView:
        with urllib.request.urlopen(f"{self._address}/logs.json?{query}", timeout=10) as answer:
            return msgspec.json.decode(answer.read(), type=LogsView)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    if shutil.which("rsyslogd") is None:
        pytest.skip("rsyslogd is not installed")
    with hub(tmp_path) as server:
        made = Host(tmp_path, f"http://127.0.0.1:{server.port}")
        try:
            until_blocking(lambda: (tmp_path / "log").exists(), "rsyslog listens")
            yield made
        finally:
            made.process.terminate()
            made.process.wait(timeout=20)


def test_what_a_job_script_logs_is_found_by_its_job(host: Host) -> None:
    host.log("slurm_4711", "iteration 1", 'it\'s "odd" \\ <b>')
    host.log("slurmd", "Launching batch job 4712 for UID 4002")
    until_blocking(lambda: len(host.found("job=4711").rows) == 2, "both lines of the job")
    rows = host.found("job=4711").rows
    assert {row.message for row in rows} == {"iteration 1", 'it\'s "odd" \\ <b>'}
    assert {(row.node, row.program) for row in rows} == {("n1", "slurm_4711")}
    until_blocking(lambda: bool(host.found("job=4712").rows), "slurmd's line")
    assert host.found("job=4712").rows[0].kind == "batch_launched"
