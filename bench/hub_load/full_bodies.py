"""Requests as nodes send them of whole jobs, sent as fast as a hub answers: for what storing costs.

    python -m bench.hub_load.full_bodies --hub 127.0.0.1:6830 --token-file FILE --lines 200 --jobs 2000

Owns the mix: of each job and node a start, a delta of 30 bins of 10 metrics, an end, a summary of 31 bins, and a
heartbeat. All bodies are made before the first is sent. Prints lines, bytes, seconds and the answers' statuses as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path

from slurmlens.clock import NS_PER_S
from slurmlens.events import (
    AnyEvent,
    Figure,
    FigureSource,
    JobEnd,
    JobIdentity,
    JobProfile,
    JobStart,
    JobSummary,
    NodeHeartbeat,
    Point,
    Profile,
    Totals,
    Witness,
)
from slurmlens.metrics import METRICS
from slurmlens.wire import ecs
from slurmlens.wire.packed_body import PACKED_TYPE, pack_body

BIN_S = 10.0
BINS = 30
CONNECTIONS = 8
_COLUMNS = [metric.name for metric in METRICS][:10]


def job_events(job_id: int, end_s: float, part: int = 0, nodes: int = 1) -> list[AnyEvent]:
    """A job's life on one of its nodes, as it is told."""
    node, start_s = f"n{(job_id * nodes + part) % 1000:04}", end_s - BINS * BIN_S
    sighting = f"{node}-boot-{job_id}"
    numbers = count()

    def envelope(seconds: float) -> dict[str, object]:
        time_ns = round(seconds * NS_PER_S)
        where = {"cluster": "bench", "node": node, "boot_id": f"boot-of-{node}"}
        return {**where, "id": f"{sighting}-{next(numbers)}", "time_ns": time_ns, "boottime_ns": time_ns // 2}

    job = JobIdentity(
        job_id=job_id,
        user_id=3000 + job_id % 50,
        user_name=f"user{job_id % 50}",
        account=f"project{job_id % 20}",
        partition="batch",
        job_name="simulation",
        node_count=nodes,
        task_count=32 * nodes,
        cpus_per_node="32" if nodes == 1 else f"32(x{nodes})",
    )
    totals = Totals(
        samples=BINS,
        cpu_s=Figure(value=job_id * 1.5, source=FigureSource.TASK_EXIT),
        memory_peak_bytes=Figure(value=3.2e9 + job_id, source=FigureSource.LAST_SAMPLE),
        oom_kills=0,
    )
    told = {"sighting": sighting, "job": job}
    return [
        JobStart(witness=Witness.HOOK, slot=1, **told, **envelope(start_s)),
        JobProfile(sighting=sighting, job_id=job_id, profile=_profile(job_id, start_s, BINS), **envelope(end_s - 1)),
        JobEnd(witness=Witness.HOOK, **told, **envelope(end_s)),
        JobSummary(
            start_ns=round(start_s * NS_PER_S),
            end_ns=round(end_s * NS_PER_S),
            start_witness=Witness.HOOK,
            end_witness=Witness.HOOK,
            unseen_s=0.0,
            slot=1,
            totals=totals,
            profile=_profile(job_id, start_s, BINS + 1),
            **told,
            **envelope(end_s + 1),
        ),
        NodeHeartbeat(version="0.1", interval_s=10.0, running=((job_id, sighting),), **envelope(end_s + 2)),
    ]


def _profile(job_id: int, start_s: float, bins: int) -> Profile:
    start_ns = int(start_s // BIN_S * BIN_S) * NS_PER_S
    columns = {
        name: [_point(job_id * 7919 + position * 104_729 + column * 31) for position in range(bins)]
        for column, name in enumerate(_COLUMNS)
    }
    return Profile(start_ns=start_ns, width_s=BIN_S, columns=columns)


def _point(seed: int) -> Point:
    mean = seed % 9973 / 100
    return Point(mean * 0.9, mean, mean * 1.2)


def bodies(jobs: int, lines: int, *, is_packed: bool = True) -> Iterator[bytes]:
    """Requests of so many lines, their profiles packed as nodes send them, or all of it JSON as they did before."""
    now_s = time.time() - 60
    told = (ecs.encode(event) for job_id in range(1, jobs + 1) for event in job_events(job_id, now_s))
    while piece := list(islice(told, lines)):
        payload = b"\n".join(piece) + b"\n"
        yield (pack_body(payload, 1) if is_packed else None) or gzip.compress(payload, 1)


def request(body: bytes, token: str) -> bytes:
    """The body with its head; a relay may tell of every node."""
    is_plain = body.startswith(b"\x1f\x8b")
    kind = "application/x-ndjson\r\ncontent-encoding: gzip" if is_plain else PACKED_TYPE
    head = (
        f"POST /api/v1/events HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {kind}\r\n"
        "x-slurmlens-node: relay\r\nx-slurmlens-relay: 1\r\n"
        f"authorization: Bearer {token}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def send(host: str, port: int, requests: Sequence[bytes], connections: int = CONNECTIONS) -> Counter[str]:
    """Sends all, each connection the next one when the last was answered."""
    statuses: Counter[str] = Counter()
    waiting = iter(requests)

    async def one() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        for packet in waiting:
            writer.write(packet)
            head = await reader.readuntil(b"\r\n\r\n")
            statuses[head.split(b" ", 2)[1].decode()] += 1
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.split(b":")[1]))
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return statuses


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.hub_load.full_bodies", description=__doc__)
    parser.add_argument("--hub", required=True)
    parser.add_argument("--token-file", type=Path, required=True)
    parser.add_argument("--lines", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--json", action="store_true", help="profiles as JSON, as nodes sent them before")
    options = parser.parse_args()
    host, _, port = options.hub.rpartition(":")
    token = options.token_file.read_text().split()[1]
    requests = [request(body, token) for body in bodies(options.jobs, options.lines, is_packed=not options.json)]
    began_s = time.monotonic()
    statuses = asyncio.run(send(host, int(port), requests, options.connections))
    told = {
        "lines": options.jobs * 5,
        "requests": len(requests),
        "bytes": sum(map(len, requests)),
        "wall_s": time.monotonic() - began_s,
        "statuses": statuses,
    }
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
