"""P16: CPU per carbon point, encoded against a floor that only joins bytes, and sent against graphyte's interval mode.

Points are those of 200 jobs: rates with their fractions, gauges as large integers. The floor has every prefix encoded
before and writes integers, which is as little as Python can do. graphyte is given the same points one by one, as its
users do, and is stopped, which sends what it holds; ours goes through a plain socket.
"""

from __future__ import annotations

import random
import socket
import statistics
import time
from collections.abc import Callable

from bench.result import Goal, NotMeasurable, Result, Row, interleave
from bench.setting import JOB_COUNT, Setting

ENCODE = Row(
    "P16",
    "carbon encode per point / pre-encoded `b''.join` floor",
    Goal(2.0),
    Goal(1.3),
    "joining pre-encoded names and integers",
)
SEND = Row(
    "P16",
    "carbon encode and send per point / graphyte, interval mode",
    Goal(1 / 7, "≤ 1/7"),
    Goal(1 / 12, "≤ 1/12"),
    "graphyte on the same points",
)
ROWS = (ENCODE, SEND)
TIME_S = 1_795_347_260
PREFIX = "slurm.bench.nodes.n0.slots.{slot}."


def measure(setting: Setting) -> list[Result]:
    names, rows = _points()
    ours, floor = _encode_all(names, rows), _join_all(names, rows)
    pairs = interleave(lambda: _cpu_us(ours), lambda: _cpu_us(floor), setting.choose(100, 30))
    count = len(names) * len(rows)
    mine, least = statistics.median(pairs.ours) / count, statistics.median(pairs.reference) / count
    encoded = ENCODE.measured(pairs.ratio, f"{mine:.2f} µs against {least:.2f} µs a point")
    return [encoded, _against_graphyte(setting, ours, names, rows)]


def _against_graphyte(setting: Setting, ours: Callable[[], bytes], names: list[str], rows: list[list[float]]) -> Result:
    try:
        import graphyte
    except ImportError as error:
        return SEND.no_figure(f"not measured: {error}")
    port = setting.receivers.carbon_port
    count = len(names) * len(rows)

    def by_graphyte() -> None:
        sender = graphyte.Sender("127.0.0.1", port=port, interval=1, queue_size=2 * count)
        for slot, row in enumerate(rows):
            for name, value in zip(names, row, strict=True):
                sender.send(PREFIX.format(slot=slot) + name, value, timestamp=TIME_S)
        sender.stop()

    with socket.create_connection(("127.0.0.1", port)) as carbon:
        pairs = interleave(
            lambda: _cpu_us(lambda: carbon.sendall(ours())), lambda: _cpu_us(by_graphyte), setting.choose(7, 3)
        )
    mine, theirs = statistics.median(pairs.ours) / count, statistics.median(pairs.reference) / count
    return SEND.measured(pairs.ratio, f"{mine:.2f} µs against {theirs:.2f} µs a point")


def _points() -> tuple[list[str], list[list[float]]]:
    """Names of a job's fast metrics, and values of all jobs."""
    from slurmlens.metrics import METRICS, Kind, Source

    metrics = [metric for metric in METRICS if metric.source is Source.CGROUP]
    if not metrics:
        raise NotMeasurable("there are no metrics")
    numbers = random.Random(1)
    rows = [
        [numbers.uniform(0, 64) if metric.kind is Kind.RATE else float(numbers.randrange(2**36)) for metric in metrics]
        for _ in range(JOB_COUNT)
    ]
    return [metric.name for metric in metrics], rows


def _encode_all(names: list[str], rows: list[list[float]]) -> Callable[[], bytes]:
    from slurmlens.wire.carbon import SeriesBlock

    blocks = [SeriesBlock(PREFIX.format(slot=slot), names) for slot in range(len(rows))]
    pairs = list(zip(blocks, rows, strict=True))
    return lambda: b"".join([block.encode(row, TIME_S) for block, row in pairs])


def _join_all(names: list[str], rows: list[list[float]]) -> Callable[[], bytes]:
    points = [
        (f"{PREFIX.format(slot=slot)}{name} ".encode(), int(value))
        for slot, row in enumerate(rows)
        for name, value in zip(names, row, strict=True)
    ]
    end = b" %d\n" % TIME_S
    return lambda: b"".join([prefix + b"%d" % value + end for prefix, value in points])


def _cpu_us(work: Callable[[], object]) -> float:
    """CPU of the whole process, threads included, in microseconds."""
    before_ns = time.process_time_ns()
    work()
    return (time.process_time_ns() - before_ns) / 1e3
