"""Syslog and documents over real sockets, by util-linux' logger where the machine has it."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from pathlib import Path

import pytest

from slurmlens.config.log_inputs import Documents2015InputConfig, LogInputsConfig, SyslogInputConfig
from slurmlens.log_lines import JobSource, LogLine
from slurmlens.node.log_inputs.attribution import LocalJob
from slurmlens.node.log_inputs.readiness import GATHER_S, LEAST_GATHER_S, Gathering
from testkit.log_node import Jobs, LogNode, log_node

LOGGER = shutil.which("logger")
DOCUMENT_2015 = (
    b'{"@timestamp":"2026-11-23T07:59:59Z","@message":"Job failed","@fields":{"host":"n1","program":"slurm_13",'
    b'"pid":"7","syslog_severity_code":3,"syslog_facility_code":1}}'
)


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def send_datagram(node: LogNode, port: int, *messages: bytes) -> None:
    """Sends once somebody listens: a datagram to nobody is lost, and the next one says so."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", port))
        for message in messages:
            while True:
                try:
                    sender.send(message)
                    await asyncio.sleep(0.02)
                    sender.send(b"")
                    break
                except ConnectionRefusedError:
                    await asyncio.sleep(0.01)


def only(node: LogNode, program: str) -> LogLine:
    (found,) = [line for line in node.lines if line.program == program]
    return found


@pytest.mark.skipif(LOGGER is None, reason="util-linux' logger is not installed: apt-get install bsdutils")
@pytest.mark.parametrize("form", ["--rfc3164", "--rfc5424"])
async def test_what_logger_sends_over_udp_and_tcp_arrives(tmp_path: Path, form: str) -> None:
    udp, tcp = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM)
    config = LogInputsConfig(syslog=SyslogInputConfig(udp=f"127.0.0.1:{udp}", tcp=f"127.0.0.1:{tcp}"), linger_s=0.01)
    async with log_node(tmp_path, config) as node:
        await send_datagram(node, udp, b"<13>first: a")
        await node.until(lambda: "a" in node.texts, "the port is open")
        for to in (["--udp", "--port", str(udp)], ["--tcp", "--port", str(tcp), "--octet-count"]):
            words = ["--server", "127.0.0.1", *to, form, "--tag", "app", "--priority", "local3.warning", f"by {to[0]}"]
            process = await asyncio.create_subprocess_exec(str(LOGGER), *words)
            assert await process.wait() == 0
        await node.until(lambda: {"by --udp", "by --tcp"} <= set(node.texts), "both came")
        found = [line for line in node.lines if line.program == "app"]
        assert {(line.severity, line.facility, line.node) for line in found} == {(4, 19, "n1")}


async def test_frames_by_length_and_by_line_come_in_one_stream(tmp_path: Path) -> None:
    port = free_port(socket.SOCK_STREAM)
    config = LogInputsConfig(syslog=SyslogInputConfig(tcp=f"127.0.0.1:{port}"), linger_s=0.01)
    async with log_node(tmp_path, config) as node:
        writer = None
        while writer is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
        writer.write(b"11 <13>x: a\nb\n<13>x: by line\n<13>x: no end")
        writer.close()
        await node.until(lambda: len(node.texts) == 3, "all came")
        assert node.texts == ["a\nb", "by line", "no end"]


async def test_a_document_of_2015_is_read_and_what_is_none_is_kept_as_it_is(tmp_path: Path) -> None:
    port = free_port(socket.SOCK_DGRAM)
    config = LogInputsConfig(documents_2015=Documents2015InputConfig(udp=f"127.0.0.1:{port}"), linger_s=0.01)
    async with log_node(tmp_path, config) as node:
        elsewhere = DOCUMENT_2015.replace(b'"n1"', b'"n9"').replace(b"slurm_13", b"other")
        await send_datagram(node, port, DOCUMENT_2015, b"no {document", elsewhere)
        await node.until(lambda: len(node.lines) == 3, "all came")
        line = only(node, "slurm_13")
        assert (line.message, line.severity, line.pid, line.node, line.fields) == ("Job failed", 3, 7, "n1", {})
        assert only(node, "other").fields == {"host_as_sent": "n9"}
        assert node.lines[1].fields == {"format": "no document"}


async def test_who_writes_to_the_log_socket_is_known_by_the_kernels_word(tmp_path: Path) -> None:
    path = tmp_path / "log"
    mine = Path("/proc/self/cgroup").read_text()
    jobs = Jobs(by_cgroup={mine: (5, "0")}, running={7: LocalJob(7, 4711)})
    config = LogInputsConfig(syslog=SyslogInputConfig(socket=path), linger_s=0.01)
    async with log_node(tmp_path, config, jobs) as node:
        await node.until(path.exists, "the socket is there")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(str(path))
            sender.send(b"<13>Nov 23 08:00:00 app[1]: hello")
        await node.until(lambda: node.lines, "it came")
        line = only(node, "app")
        assert (line.pid, line.user_id) == (os.getpid(), os.getuid())
        assert (line.job_id, line.step, line.job_source) == (5, "0", JobSource.PROCESS)


async def test_who_writes_a_flood_to_the_log_socket_is_not_held_at_a_queue_each_time_it_is_read(tmp_path: Path) -> None:
    """The socket's queue is short, and a job that logs waits while it is full."""
    path = tmp_path / "log"
    config = LogInputsConfig(syslog=SyslogInputConfig(socket=path), linger_s=0.01, lines_per_s=1_000_000)
    async with log_node(tmp_path, config) as node:
        await node.until(path.exists, "the socket is there")
        await asyncio.to_thread(flood, path, 2000)
        await node.until(lambda: node.told == 2000, "all came")
        assert node.dropped == {}


def flood(path: Path, count: int) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(str(path))
        for number in range(count):
            sender.send(b"<13>app[1]: line %d" % number)


def test_less_is_let_gather_while_a_queue_fills_and_more_again_once_it_does_not() -> None:
    gathering = Gathering(10)
    assert gathering.after(1) == GATHER_S
    assert [gathering.after(10) for _ in range(8)][-1] == LEAST_GATHER_S
    assert gathering.after(5) == LEAST_GATHER_S
    assert [gathering.after(1) for _ in range(8)][-1] == GATHER_S


async def test_a_port_that_is_taken_is_reported_and_the_others_go_on(tmp_path: Path) -> None:
    path, tcp = tmp_path / "log", free_port(socket.SOCK_STREAM)
    with socket.create_server(("127.0.0.1", tcp)):
        config = LogInputsConfig(syslog=SyslogInputConfig(tcp=f"127.0.0.1:{tcp}", socket=path), linger_s=0.01)
        async with log_node(tmp_path, config) as node:
            await node.until(path.exists, "the socket is there")
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"<13>app: hello", str(path))
            await node.until(lambda: node.lines, "it came")
            await node.until(
                lambda: any("log_socket_unavailable" in name for name in node.counters.snapshot()), "it is reported"
            )
