"""P16: what a point costs on its way to carbon, against the cheapest Python that makes the same bytes, and graphyte.

First row: encoding alone, one tick of 200 jobs, in turn with a `b"".join` over names encoded beforehand that formats
every number as ours does; both make the very same bytes, or there is no figure. Second row: the whole way out of the
process (encode, batch, write to a socket) against graphyte's interval mode, by the process' CPU time, threads
included; the receiver is another process.
"""

from __future__ import annotations

import asyncio
import logging
import statistics
import time
from collections.abc import Callable, Sequence

from bench.counter_reader import cpu_of
from bench.result import Goal, NotMeasurable, Pairs, Result, Row, interleave
from bench.setting import JOB_COUNT, Setting
from slurmlens.clock import SystemClock
from slurmlens.config.node import BatchConfig, CarbonSinkConfig
from slurmlens.metrics import METRICS, Kind, Source
from slurmlens.node.batcher import Batcher
from slurmlens.node.flow import Batch, Stream
from slurmlens.node.sinks.carbon import CarbonSink
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire.carbon import SeriesBlock, slot_prefix

ROWS = (
    Row(
        "P16", "carbon encode per point / pre-encoded floor", Goal(2.0), Goal(1.3), "`b''.join` over pre-encoded names"
    ),
    Row(
        "P16",
        "carbon encode and send per point / graphyte",
        Goal(1 / 7, "≤ 1/7"),
        Goal(1 / 12, "≤ 1/12"),
        "graphyte, interval mode",
    ),
)
TIME_S = 1_795_420_800
SERIES = tuple(metric for metric in METRICS if metric.source is Source.CGROUP)
NAMES = tuple(metric.name for metric in SERIES)
# As `wire.carbon` formats them: six digits say all of an estimated rate, a gauge is told exactly.
FORMATS = tuple(b"%.6g" if metric.kind is Kind.RATE else b"%.15g" for metric in SERIES)


def measure(setting: Setting) -> list[Result]:
    return [_encoding(setting), _sending(setting)]


def values_of(job: int) -> list[float]:
    """Numbers as they occur: rates with many digits, gauges of some GiB; the same at every call."""
    return [
        (job * 37 + place) / 7.0 if metric.kind is Kind.RATE else float(job * 1_048_576 + place * 4096)
        for place, metric in enumerate(SERIES)
    ]


def _encoding(setting: Setting) -> Result:
    ticks = [values_of(job) for job in range(JOB_COUNT)]
    blocks = [SeriesBlock(_prefix(job), NAMES) for job in range(JOB_COUNT)]
    heads = [[f"{_prefix(job)}{name} ".encode() for name in NAMES] for job in range(JOB_COUNT)]

    def ours() -> bytes:
        return b"".join([block.encode(values, TIME_S) for block, values in zip(blocks, ticks, strict=True)])

    def floor() -> bytes:
        end = b" %d\n" % TIME_S
        return b"".join(
            [
                head + form % value + end
                for job_heads, values in zip(heads, ticks, strict=True)
                for head, form, value in zip(job_heads, FORMATS, values, strict=True)
            ]
        )

    if ours() != floor():
        raise NotMeasurable("the floor does not make the same bytes: FORMATS are out of date")
    pairs = interleave(lambda: cpu_of(ours), lambda: cpu_of(floor), setting.choose(100, 20))
    points = JOB_COUNT * len(NAMES)
    return ROWS[0].measured(pairs.ratio, _per_point(pairs, points, points))


def _sending(setting: Setting) -> Result:
    rounds, ours_ticks = setting.choose(15, 3), 60
    ours_points = JOB_COUNT * len(NAMES) * ours_ticks
    peer_points = setting.choose(20_000, 5_000)
    port = setting.receivers.carbon_port
    pairs = interleave(
        lambda: _cpu_per_point(lambda: asyncio.run(_send_ours(port, ours_ticks)), ours_points),
        lambda: _cpu_per_point(lambda: _send_graphyte(port, peer_points), peer_points),
        rounds,
    )
    return ROWS[1].measured(pairs.ratio, _per_point(pairs, 1, 1))


def _cpu_per_point(work: Callable[[], object], points: int) -> float:
    """CPU nanoseconds of the whole process, its threads included."""
    before_ns = time.process_time_ns()
    work()
    return (time.process_time_ns() - before_ns) / points


async def _send_ours(port: int, ticks: int) -> None:
    """As the node does it: blocks made once, a batcher, the carbon sink."""
    clock, batching = SystemClock(), BatchConfig()
    batcher = Batcher(Stream.METRICS, linger_s=batching.metric_linger_s, max_bytes=batching.metric_max_bytes)
    sink = CarbonSink(CarbonSinkConfig(port=port), Reporter(Counters(), clock), clock)
    blocks = [SeriesBlock(_prefix(job), NAMES) for job in range(JOB_COUNT)]
    values = [values_of(job) for job in range(JOB_COUNT)]
    for tick in range(ticks):
        full: list[Batch] = []
        for block, job_values in zip(blocks, values, strict=True):
            payload = block.encode(job_values, TIME_S + tick)
            full += batcher.add(payload, clock.monotonic_ns(), count=len(NAMES))
        rest = batcher.flush()
        for batch in [*full, rest] if rest else full:
            await sink.deliver(batch.payload, batch.count)
    await sink.aclose()


def _send_graphyte(port: int, points: int) -> None:
    try:
        import graphyte
    except ImportError as error:
        raise NotMeasurable("graphyte is not installed") from error
    logging.getLogger("graphyte").setLevel(logging.CRITICAL)
    sender = graphyte.Sender("127.0.0.1", port=port, interval=0.2, queue_size=points + 1)
    names = [f"{_prefix(job)}{name}" for job in range(JOB_COUNT) for name in NAMES]
    values = [value for job in range(JOB_COUNT) for value in values_of(job)]
    for number in range(points):
        sender.send(names[number % len(names)], values[number % len(values)], TIME_S)
    sender.stop()


def _prefix(job: int) -> str:
    return slot_prefix("bench", "n0", job)


def _per_point(pairs: Pairs, ours_points: int, reference_points: int) -> str:
    def microseconds(values: Sequence[float], points: int) -> float:
        return statistics.median(values) / points / 1e3

    ours, reference = microseconds(pairs.ours, ours_points), microseconds(pairs.reference, reference_points)
    return f"{ours:.2f} µs against {reference:.2f} µs a point"
