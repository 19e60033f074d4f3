"""One job on many nodes for a day, told to a hub as its nodes tell it: start and profile deltas, or end and summary.

Owns the events' making and their sending; a case that wants the job's page calls `tell`. A node halves its resolution
whenever 360 bins are full and tells what is new every thirty bins, so a day's course of bins of 256 s came in some
sixty deltas. Sixteen unlike courses are shared by all nodes: they cost this program nothing, and the hub no less.
"""

from __future__ import annotations

import http.client
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from slurmlens.events import (
    AnyEvent,
    Figure,
    FigureSource,
    JobEnd,
    JobIdentity,
    JobProfile,
    JobStart,
    JobSummary,
    Point,
    Profile,
    Totals,
    Witness,
)
from slurmlens.metrics import METRICS
from slurmlens.wire import ecs
from slurmlens.wire.packed_body import PACKED_TYPE, pack_body

NS_PER_S = 1_000_000_000
DAY_S = 86_400
MOST_BINS = 360
BINS_A_DELTA = 30
COLUMNS = tuple(metric.name for metric in METRICS if metric.in_profile)
UNLIKE_COURSES = 16


@dataclass(frozen=True, slots=True)
class WideJob:
    """`begin_s` is when it started, since the epoch; a job that is over ended a day later."""

    job_id: int
    nodes: int
    begin_s: int
    is_over: bool

    @property
    def end_s(self) -> int:
        return self.begin_s + DAY_S


def tell(job: WideJob, port: int, token: str) -> None:
    """Sends all there is of the job, a request a node; RuntimeError where the hub does not take it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for number in range(job.nodes):
        body = b"".join(ecs.encode(event) + b"\n" for event in _events(job, number))
        packed = pack_body(body, 1)
        assert packed is not None
        headers = {
            "Content-Type": PACKED_TYPE,
            "X-Slurmlens-Node": _name(number),
            "Authorization": f"Bearer {token}",
        }
        connection.request("POST", "/api/v1/events", packed, headers)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 200 or b'"refused":[]' not in said:
            raise RuntimeError(f"the hub answered {answer.status}: {said[:300]!r}")
    connection.close()


def _name(number: int) -> str:
    return f"w{number:04}"


def _events(job: WideJob, number: int) -> Iterator[AnyEvent]:
    node = _name(number)
    sighting = f"{node}-{job.job_id}-1"
    identity = JobIdentity(
        job_id=job.job_id,
        user_name="alice",
        partition="batch",
        node_list=f"w[0000-{job.nodes - 1:04}]",
        node_count=job.nodes,
        cpus_per_node=f"64(x{job.nodes})",
    )

    def envelope(at_s: float, what: str) -> dict[str, Any]:
        return {
            "id": f"{sighting}-{what}",
            "time_ns": round(at_s * NS_PER_S),
            "boot_id": f"{number:08x}-0000-4000-8000-000000000000",
            "boottime_ns": round((at_s - job.begin_s + 1000) * NS_PER_S),
            "cluster": "bench",
            "node": node,
        }

    yield JobStart(sighting=sighting, job=identity, witness=Witness.HOOK, **envelope(job.begin_s, "start"))
    if not job.is_over:
        for index, (told_s, profile) in enumerate(_deltas(job.begin_s, number % UNLIKE_COURSES)):
            yield JobProfile(sighting=sighting, job_id=job.job_id, profile=profile, **envelope(told_s, f"p{index}"))
        return
    yield JobEnd(sighting=sighting, job=identity, witness=Witness.HOOK, **envelope(job.end_s, "end"))
    yield JobSummary(
        sighting=sighting,
        job=identity,
        start_ns=job.begin_s * NS_PER_S,
        end_ns=job.end_s * NS_PER_S,
        start_witness=Witness.HOOK,
        end_witness=Witness.HOOK,
        unseen_s=0.0,
        slot=0,
        totals=Totals(
            samples=8640,
            cpu_s=Figure(value=DAY_S * (30.0 + number % 7), source=FigureSource.PARENT_REST),
            memory_peak_bytes=Figure(value=2e10, source=FigureSource.LAST_SAMPLE),
        ),
        profile=_whole(job.begin_s, number % UNLIKE_COURSES),
        **envelope(job.end_s + 1, "summary"),
    )


@cache
def _deltas(begin_s: int, seed: int) -> tuple[tuple[int, Profile], ...]:
    """(when it was told, what) of a running job's deltas; the bin that is not full is told again by the next."""
    rng = random.Random(seed)
    made = []
    at_s, width_s = begin_s, 1
    while at_s < begin_s + DAY_S:
        while at_s + BINS_A_DELTA * width_s - begin_s > MOST_BINS * width_s:
            width_s *= 2
            at_s -= at_s % width_s
        bins = min(BINS_A_DELTA, -(-(begin_s + DAY_S - at_s) // width_s))
        made.append((at_s + bins * width_s, _profile(rng, at_s, width_s, bins + 1)))
        at_s += bins * width_s
    return tuple(made)


@cache
def _whole(begin_s: int, seed: int) -> Profile:
    width_s = 256
    start_s = begin_s - begin_s % width_s
    return _profile(random.Random(seed), start_s, width_s, -(-(begin_s + DAY_S - start_s) // width_s))


def _profile(rng: random.Random, start_s: int, width_s: int, bins: int) -> Profile:
    """Each metric wanders about a level of its own."""
    columns = {}
    for name in COLUMNS:
        value, points = rng.uniform(5, 60), []
        for _ in range(bins):
            value = max(0.0, value + rng.uniform(-0.5, 0.5))
            points.append(Point(round(value * 0.93, 6), round(value, 6), round(value * 1.05, 6)))
        columns[name] = points
    return Profile(start_ns=(start_s - start_s % width_s) * NS_PER_S, width_s=float(width_s), columns=columns)
