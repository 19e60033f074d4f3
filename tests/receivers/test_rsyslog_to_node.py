"""A real rsyslog with the shipped snippet: what a host logs comes into the node's daemon, several lines as one."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conservation.receivers import free_port
from slurmlens.config.log_inputs import LogInputsConfig, SyslogInputConfig
from testkit.checkout import ROOT
from testkit.log_node import log_node
from testkit.waiting import until

INPUTS = """
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{folder}/log" CreatePath="on" UseSysTimeStamp="off")
global(workDirectory="{folder}" localHostname="n1" parser.escapeControlCharactersOnReceive="off")
"""


@pytest.fixture
def rsyslog(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """The socket of a running rsyslog, and the port that it sends to."""
    if shutil.which("rsyslogd") is None:
        pytest.skip("rsyslogd is not installed")
    port = free_port()
    shipped = (ROOT / "etc/rsyslog/slurmlens-node.conf").read_text()
    assert 'port="5514"' in shipped
    configuration = tmp_path / "rsyslog.conf"
    configuration.write_text(INPUTS.format(folder=tmp_path) + shipped.replace('port="5514"', f'port="{port}"'))
    command = ["rsyslogd", "-n", "-f", configuration, "-i", tmp_path / "rsyslog.pid"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        yield tmp_path / "log", port
    finally:
        process.terminate()
        process.wait()


async def test_what_a_host_logs_by_rsyslog_comes_in_whole(rsyslog: tuple[Path, int], tmp_path: Path) -> None:
    path, port = rsyslog
    config = LogInputsConfig(syslog=SyslogInputConfig(tcp=f"127.0.0.1:{port}"), linger_s=0.01)
    async with log_node(tmp_path, config) as node:
        await until(path.exists, "rsyslog listens")
        for words in (["-p", "local0.err", "-t", "slurm_12", "--", "two\nlines"], ["-t", "app", "--", "one"]):
            logger = await asyncio.create_subprocess_exec("logger", "-u", str(path), *words)
            assert await logger.wait() == 0
        await node.until(lambda: {line.program for line in node.lines} >= {"slurm_12", "app"}, "both came")
        (found,) = [line for line in node.lines if line.program == "slurm_12"]
        assert (found.severity, found.facility, found.node) == (3, 16, "n1")
        assert found.message.split() == ["two", "lines"]
