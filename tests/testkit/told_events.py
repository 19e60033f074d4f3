"""Events of one job on one node, told briefly: what a test of the hub says happened."""

from __future__ import annotations

from slurmlens.clock import NS_PER_S
from slurmlens.events import (
    DroppedLines,
    Figure,
    FigureSource,
    JobEnd,
    JobIdentity,
    JobProfile,
    JobStart,
    JobSummary,
    LinesDropped,
    NodeHeartbeat,
    Point,
    Profile,
    Totals,
    Witness,
)

BEGIN_S = 1_795_420_800
"""When tests begin: `ManualClock`'s wall time."""

BOOT = "11111111-2222-3333-4444-555555555555"


def at_ns(seconds: float) -> int:
    """Nanoseconds of a moment so many seconds after the begin."""
    return BEGIN_S * NS_PER_S + round(seconds * NS_PER_S)


class Told:
    """One sighting of a job on a node, telling its events; times are seconds after the begin."""

    def __init__(self, job_id: int = 7, node: str = "n1", sighting: str = "s1", boot_id: str = BOOT) -> None:
        self.job_id = job_id
        self.node = node
        self.sighting = f"{node}-{job_id}-{sighting}"
        self._where = {"boot_id": boot_id, "cluster": "demo", "node": node}

    def _event(self, kind: str, seconds: float) -> dict[str, object]:
        when = {"time_ns": at_ns(seconds), "boottime_ns": 1000 * NS_PER_S + round(seconds * NS_PER_S)}
        return self._where | when | {"id": f"{self.sighting}-{kind}-{seconds}"}

    def start(self, seconds: float, *, witness: Witness = Witness.HOOK, **job: object) -> JobStart:
        identity = JobIdentity(job_id=self.job_id, user_name="alice", **job)
        return JobStart(sighting=self.sighting, job=identity, witness=witness, slot=1, **self._event("start", seconds))

    def end(self, seconds: float, *, witness: Witness = Witness.HOOK, **job: object) -> JobEnd:
        identity = JobIdentity(job_id=self.job_id, user_name="alice", **job)
        return JobEnd(sighting=self.sighting, job=identity, witness=witness, **self._event("end", seconds))

    def points(self, seconds: float, *means: float, width_s: float = 10.0) -> JobProfile:
        """A delta whose first bin begins at `seconds`."""
        return JobProfile(
            sighting=self.sighting,
            job_id=self.job_id,
            profile=profile(seconds, *means, width_s=width_s),
            **self._event("points", seconds),
        )

    def summary(
        self,
        start: float,
        end: float,
        *,
        cpu_s: float = 3.0,
        oom_kills: int = 0,
        means: tuple[float, ...] = (1.0,),
        start_witness: Witness = Witness.HOOK,
    ) -> JobSummary:
        return JobSummary(
            sighting=self.sighting,
            job=JobIdentity(job_id=self.job_id, user_name="alice"),
            start_ns=at_ns(start),
            end_ns=at_ns(end),
            start_witness=start_witness,
            end_witness=Witness.HOOK,
            unseen_s=0.0,
            slot=1,
            totals=Totals(
                samples=4,
                cpu_s=Figure(value=cpu_s, source=FigureSource.PARENT_REST),
                memory_peak_bytes=Figure(value=5e6, source=FigureSource.LAST_SAMPLE),
                oom_kills=oom_kills,
            ),
            profile=profile(start, *means),
            **self._event("summary", end),
        )

    def beat(self, seconds: float, *running: str, interval_s: float = 10.0) -> NodeHeartbeat:
        """The node's heartbeat with these sightings running."""
        listed = tuple((self.job_id, sighting) for sighting in running)
        return NodeHeartbeat(version="0.1", interval_s=interval_s, running=listed, **self._event("beat", seconds))

    def dropped(self, seconds: float, lines: int, *, since: float = 0.0, stream: str = "events") -> LinesDropped:
        """The node's notice that its spool gave up so many lines in all."""
        told = DroppedLines(stream=stream, reason="spool_limit", lines=lines, since_ns=at_ns(since))
        return LinesDropped(dropped=(told,), **self._event("dropped", seconds))


def profile(seconds: float, *means: float, width_s: float = 10.0) -> Profile:
    """A profile of one metric; every bin's low and high are half and twice its mean."""
    points = [Point(mean / 2, mean, mean * 2) for mean in means]
    return Profile(start_ns=at_ns(seconds), width_s=width_s, columns={"cpu_cores": points})
