"""The daemon's own figures: points in carbon's names at every whole interval, and a page that Prometheus reads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from slurmlens.cli.main import main as slurmlens
from slurmlens.config.telemetry import TelemetryConfig
from slurmlens.node.own_figures import LIMITS, SERIES_MAX, FiguresPage, OwnFigures
from slurmlens.node.status import NodeStatus, SamplerStatus
from slurmlens.runtime.http_server import HttpLimits, HttpServer
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.manual_clock import ManualClock
from testkit.moving_tree import MovingTree
from testkit.node_process import node_process
from testkit.node_states import IDLE, SAMPLER
from testkit.waiting import until

ASKING = b"GET /metrics HTTP/1.1\r\nHost: n0\r\n\r\n"


class Site:
    """The stages on a clock turned by hand; `lines` is what carbon was given."""

    def __init__(self, clock: ManualClock, config: TelemetryConfig) -> None:
        self.clock = clock
        self.counters = Counters()
        self.lines: list[str] = []
        self.sent = asyncio.Event()
        self.sampler: SamplerStatus | None = SAMPLER
        reporter = Reporter(self.counters, clock, logging.getLogger("slurmlens.test"))
        self.own = OwnFigures(config, self.snapshot, self.points, reporter, clock, sleep=self.sleep)

    async def snapshot(self) -> NodeStatus:
        return msgspec.structs.replace(
            IDLE,
            node="n0.example",
            uptime_s=7.5,
            dropbox_waiting=3,
            sampler=self.sampler,
            counters=self.counters.snapshot(),
        )

    async def points(self, payload: bytes, count: int) -> None:
        self.lines = payload.decode().splitlines()
        assert len(self.lines) == count
        self.sent.set()
        await asyncio.Event().wait()  # one round is enough

    async def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)


async def one_round(site: Site) -> None:
    sending = asyncio.create_task(site.own.send())
    await site.sent.wait()
    sending.cancel()


async def test_points_are_sent_at_whole_intervals_under_the_nodes_own_folder(clock: ManualClock) -> None:
    clock.advance(17.25)
    site = Site(clock, TelemetryConfig(carbon=True, interval_s=60))
    site.counters.counter("sink_failed_total", "x", ("sink", "reason")).add(2, "kafka", "un..known/topic")
    await one_round(site)
    due_s = 1_795_420_860
    head = "slurm.demo.nodes.n0_example.slurmlens."
    assert clock.wall_ns() == due_s * 1_000_000_000
    assert f"{head}uptime_s 7.5 {due_s}" in site.lines
    assert f"{head}sampler_cost_ratio 0.0012 {due_s}" in site.lines
    failed = next(line for line in site.lines if "sink_failed_total" in line)
    assert failed.startswith(f"{head}sink_failed_total.kafka.un--2e--2eknown--2ftopic ")
    assert failed.endswith(f" 2 {due_s}")


async def test_what_is_not_known_makes_no_series(clock: ManualClock) -> None:
    site = Site(clock, TelemetryConfig(carbon=True))
    site.sampler = None
    site.counters.gauge("lag_s", "x").set(float("nan"))
    await one_round(site)
    assert not [line for line in site.lines if "sampler" in line or "lag_s" in line]


async def test_there_is_a_greatest_number_of_series_and_what_is_left_out_is_told(clock: ManualClock) -> None:
    site = Site(clock, TelemetryConfig(carbon=True))
    for number in range(20):
        many = site.counters.counter(f"many_{number}_total", "x", ("of",))
        for label in range(100):
            many.add(1, str(label))
    await one_round(site)
    assert len(site.lines) == SERIES_MAX
    assert site.counters.snapshot()["own_figures_left_out_total"] > 0


@asynccontextmanager
async def serving(site: Site, limits: HttpLimits = LIMITS) -> AsyncIterator[int]:
    reporter = Reporter(site.counters, site.clock, logging.getLogger("slurmlens.test"))
    server = HttpServer("127.0.0.1", 0, FiguresPage(site.own.page), limits, reporter)
    await server.bind()
    assert server.port is not None
    running = asyncio.create_task(server.run())
    yield server.port
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    said = await reader.read()
    writer.close()
    return said


async def test_prometheus_reads_every_counter_and_every_figure(clock: ManualClock) -> None:
    site = Site(clock, TelemetryConfig(prometheus="127.0.0.1:0"))
    site.counters.counter("sink_delivered_lines_total", "lines a receiver took", ("sink",)).add(5, "hub")
    async with serving(site) as port:
        said = await ask(port, b"GET /metrics?x=1 HTTP/1.1\r\nHost: n0\r\n\r\n")
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"Content-Type: text/plain; version=0.0.4; charset=utf-8" in head
    assert f"Content-Length: {len(body)}".encode() in head
    families = {family.name: family for family in text_string_to_metric_families(body.decode())}
    assert families["slurmlens_sink_delivered_lines"].type == "counter"
    assert families["slurmlens_sink_delivered_lines"].documentation == "lines a receiver took"
    assert families["slurmlens_sampler_ticks"].samples[0].value == 100
    assert families["slurmlens_jobs_count"].type == "gauge"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: n0\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\nHost: n0\r\n\r\n", b"405"),
        (b"GET /metrics HTTP/1.1\r\nHost: n0\r\nContent-Length: 1\r\n\r\nx", b"413"),
        (b"GET /metrics" + b"x" * 20_000, b"431"),
        (b"GET /metrics HTTP/1.1\r\n\r\n", b"400"),
        (b"\x16\x03\x01 this is TLS\r\n\r\n", b"400"),
    ],
)
async def test_anything_else_is_answered_shortly(clock: ManualClock, request_: bytes, status: bytes) -> None:
    site = Site(clock, TelemetryConfig(prometheus="127.0.0.1:0"))
    async with serving(site) as port:
        assert (await ask(port, request_)).startswith(b"HTTP/1.1 " + status)


async def test_one_reader_too_many_is_sent_away(clock: ManualClock) -> None:
    site = Site(clock, TelemetryConfig(prometheus="127.0.0.1:0"))
    async with serving(site) as port:
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(LIMITS.connections)]

        async def status() -> bytes:
            return (await ask(port, ASKING))[9:12]

        async def is_full() -> bool:
            return await status() == b"503"

        async def is_free() -> bool:
            return await status() == b"200"

        await until(is_full, "all readers' places are taken")
        for _, writer in idle:
            writer.close()
            await writer.wait_closed()
        await until(is_free, "there is room again")


async def test_a_reader_that_dribbles_is_cut_off_when_its_time_is_over(clock: ManualClock) -> None:
    site = Site(clock, TelemetryConfig(prometheus="127.0.0.1:0"))
    async with serving(site, msgspec.structs.replace(LIMITS, exchange_timeout_s=0.2)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        reading = asyncio.create_task(reader.read())
        while not reading.done():
            writer.write(b"G")
            await asyncio.sleep(0.01)
        assert reading.exception() is not None or reading.result() == b""
        writer.close()


async def test_a_connection_is_for_one_request(clock: ManualClock) -> None:
    site = Site(clock, TelemetryConfig(prometheus="127.0.0.1:0"))
    async with serving(site) as port:
        assert (await ask(port, ASKING + ASKING)).count(b"HTTP/1.1 ") == 1


async def test_an_address_that_cannot_be_had_is_told_and_costs_nothing_else(clock: ManualClock) -> None:
    site = Site(clock, TelemetryConfig(prometheus="192.0.2.1:1"))
    await site.own.serve()
    assert site.counters.snapshot()["prometheus_unavailable_total"] == 1


def test_nothing_runs_where_nothing_is_configured(clock: ManualClock) -> None:
    assert not TelemetryConfig().is_on
    assert list(TelemetryConfig(prometheus="here").problems()) == [("prometheus", "'here' is no HOST:PORT")]


async def test_the_real_daemon_tells_carbon_prometheus_and_the_command_line(
    tmp_path: Path, unpacked_recordings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "d").mkdir()
    async with node_process(MovingTree("v2-22.05", tmp_path, unpacked_recordings), tmp_path / "d") as node:
        telemetry = "[telemetry]\ncarbon = true\ninterval_s = 1\n[log]"
        node.config.write_text(node.config.read_text().replace("[log]", telemetry))
        await node.start()
        head = f"slurm.demo.nodes.{node.tree.node}.slurmlens."
        await until(lambda: f"{head}process_cpu_s_total" in node.series(), "own figures in carbon")
        await until(lambda: f"{head}sink_delivered_lines_total.hub" in node.series(), "what the hub took is told too")
        assert await asyncio.to_thread(slurmlens, ["status", "--prometheus", "--config", str(node.config)]) == 0
        families = {family.name: family for family in text_string_to_metric_families(capsys.readouterr().out)}
        assert families["slurmlens_process_resident_bytes"].samples[0].value > 10e6
        assert msgspec.json.encode(await node.status())  # no number that JSON lacks
