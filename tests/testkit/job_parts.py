"""The parts that made-up jobs are built of: courses over time, profiles, totals, nodes, records, facts.

Everything is derived from `START_NS` and seeds, so that golden files and screenshots are the same every time.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

from slurmlens.events import (
    EventKind,
    Figure,
    FigureSource,
    JobIdentity,
    Point,
    Profile,
    StepTotals,
    Totals,
    Witness,
)
from slurmlens.hub.history.facts import (
    JobFacts,
    NodeFacts,
    NodeState,
    Outcome,
    OutcomeSource,
    RunFacts,
    TimelineEntry,
    TimeSource,
)
from slurmlens.hub.history.profiles.course import Course as NodeCourse
from slurmlens.hub.history.profiles.course import course_of
from slurmlens.slurm.records import JobRecord, JobState, RecordSource, StepRecord

S = 1_000_000_000
MIB = 1024**2
GIB = 1024**3
START_NS = 1_795_428_845 * S + 300_000_000  # 2026-11-23T10:14:05.3Z
CLUSTER = "atlas"
HOSTILE_NAME = '"><script>alert(1)</script>\n../../etc/passwd\x1b[31m\u202egnp.exe\ufffd\udcff'

Course = Callable[[float], float | None]


def steady(level: float, *, ramp_s: float = 2.0, seed: int = 1, noise: float = 0.04) -> Course:
    """Rises to `level`, then trembles around it."""
    random_source = random.Random(seed)

    def course(at_s: float) -> float:
        return max(0.0, level * min(1.0, (at_s + 0.5) / ramp_s) * (1 + random_source.uniform(-noise, noise)))

    return course


def until(course: Course, stop_s: float) -> Course:
    """As `course`, and nothing after `stop_s`."""
    return lambda at_s: course(at_s) if at_s < stop_s else 0.0


def unseen(course: Course, from_s: float, to_s: float) -> Course:
    """As `course`, with a gap in which nobody measured."""
    return lambda at_s: None if from_s <= at_s < to_s else course(at_s)


def waves(low: float, high: float, period_s: float, *, seed: int = 1) -> Course:
    """Between `low` and `high` and back, with a little noise."""
    random_source = random.Random(seed)

    def course(at_s: float) -> float:
        share = (1 - math.cos(2 * math.pi * at_s / period_s)) / 2
        return (low + (high - low) * share) * (1 + random_source.uniform(-0.03, 0.03))

    return course


def growing(start: float, end: float, over_s: float, *, seed: int = 1) -> Course:
    """A straight line with a little noise."""
    random_source = random.Random(seed)
    return lambda at_s: (start + (end - start) * min(1.0, at_s / over_s)) * (1 + random_source.uniform(-0.01, 0.01))


def make_profile(
    seconds: float, courses: dict[str, Course], *, width_s: float = 1.0, start_ns: int = START_NS
) -> NodeCourse:
    """A node's course of `seconds` at bins of `width_s`, each metric by its course."""
    width_ns = round(width_s * S)
    first_ns = start_ns - start_ns % width_ns
    count = max(1, math.ceil(seconds / width_s))
    columns = {name: [_point(course(index * width_s)) for index in range(count)] for name, course in courses.items()}
    made = course_of(Profile(start_ns=first_ns, width_s=width_s, columns=columns))
    assert made is not None
    return made


def _point(mean: float | None) -> Point:
    return Point(None, None, None) if mean is None else Point(mean * 0.93, mean, mean * 1.05)


def exact(value: float, source: FigureSource = FigureSource.PARENT_REST, *, complete: bool = True) -> Figure:
    return Figure(value=value, source=source, complete=complete)


def make_totals(**changes: object) -> Totals:
    """Totals of a node on which everything could be measured."""
    defaults: dict[str, object] = {
        "samples": 11,
        "cpu_s": exact(58.0),
        "memory_peak_bytes": exact(287 * MIB),
        "memory_limit_bytes": 2 * GIB,
        "oom_kills": 0,
        "io_read_bytes": exact(6e6, FigureSource.PROCESSES),
        "io_written_bytes": exact(155e6, FigureSource.PROCESSES),
        "pressure_cpu_some_s": exact(0.4, FigureSource.NODE),
        "pressure_memory_some_s": exact(0.0, FigureSource.NODE),
        "pressure_io_some_s": exact(3.4, FigureSource.NODE),
        "steps": (
            StepTotals(step="batch", samples=11, cpu_s=exact(0.2), memory_peak_bytes=exact(9 * MIB), oom_kills=0),
            StepTotals(step="0", samples=11, cpu_s=exact(57.8), memory_peak_bytes=exact(280 * MIB), oom_kills=0),
        ),
    }
    return Totals(**{**defaults, **changes})  # type: ignore[arg-type]


def make_node(name: str, seconds: float, **changes: object) -> NodeFacts:
    """A node whose hooks told start and end, and whose daemon saw everything."""
    defaults: dict[str, object] = {
        "state": NodeState.ENDED,
        "start_ns": START_NS,
        "end_ns": START_NS + round(seconds * S),
        "start_witness": Witness.HOOK,
        "end_witness": Witness.HOOK,
        "samples": 11,
        "totals": make_totals(),
        "unseen_s": 0.0,
        "complete": True,
        "sightings": 1,
        "last_heard_ns": START_NS + round(seconds * S) + S,
        "skew_s": 0.002,
    }
    return NodeFacts(node=name, **{**defaults, **changes})  # type: ignore[arg-type]


def make_record(state: JobState, seconds: float | None, **changes: object) -> JobRecord:
    """The scheduler's record of job 4711, a small MPI job on c1 and c2."""
    start_s = START_NS // S
    defaults: dict[str, object] = {
        "job_id": 4711,
        "state": state,
        "source": RecordSource.ACCOUNTING,
        "cluster": CLUSTER,
        "name": "gemm",
        "user": "alice",
        "account": "acct1",
        "partition": "all",
        "qos": "normal",
        "submit_s": start_s - 3,
        "start_s": start_s,
        "end_s": None if seconds is None else start_s + math.ceil(seconds),
        "time_limit_s": 600,
        "nodes": ("c1", "c2"),
        "node_count": 2,
        "cpu_count": 4,
        "memory_bytes": 4 * GIB,
        "exit_code": 0,
        "exit_signal": 0,
    }
    return JobRecord(**{**defaults, **changes})  # type: ignore[arg-type]


def make_steps(
    state: JobState, seconds: float | None, *, exit_code: int = 0, nodes: tuple[str, ...] = ("c1", "c2")
) -> tuple[StepRecord, ...]:
    """A batch script that started one parallel step."""
    start_s = START_NS // S
    end_s = None if seconds is None else start_s + math.ceil(seconds)
    return (
        StepRecord(
            step="batch", name="batch", state=state, exit_code=exit_code, exit_signal=0, start_s=start_s, end_s=end_s
        ),
        StepRecord(step="extern", name="extern", state=JobState.COMPLETED, start_s=start_s, end_s=end_s),
        StepRecord(
            step="0",
            name="gemm",
            state=state,
            exit_code=exit_code,
            exit_signal=0,
            start_s=start_s,
            end_s=end_s,
            nodes=nodes,
            task_count=2 * len(nodes),
        ),
    )


def hook_timeline(nodes: Sequence[str], seconds: float | None) -> tuple[TimelineEntry, ...]:
    """Prolog on every node, and Epilog where the run has ended."""
    entries = [
        TimelineEntry(
            id=f"p-{name}",
            time_ns=START_NS + index * 10_000_000,
            kind=EventKind.JOB_START,
            node=name,
            witness=Witness.HOOK,
        )
        for index, name in enumerate(nodes)
    ]
    if seconds is not None:
        end_ns = START_NS + round(seconds * S)
        entries += [
            TimelineEntry(
                id=f"e-{name}",
                time_ns=end_ns + index * 10_000_000,
                kind=EventKind.JOB_END,
                node=name,
                witness=Witness.HOOK,
            )
            for index, name in enumerate(nodes)
        ]
    return tuple(entries)


def make_facts(state: JobState, label: str, seconds: float | None, **changes: object) -> JobFacts:
    """Facts of job 4711; `seconds` is how long it ran, None while it runs or waits."""
    record = changes.pop("record", None) or make_record(state, seconds)
    outcome_changes = changes.pop("outcome_changes", {})
    assert isinstance(record, JobRecord)
    assert isinstance(outcome_changes, dict)
    end_ns = None if seconds is None else START_NS + round(seconds * S)
    outcome = Outcome(
        **{
            "state": state,
            "label": label,
            "source": OutcomeSource.SCHEDULER,
            "exit_code": record.exit_code,
            "exit_signal": record.exit_signal,
            **outcome_changes,
        }
    )
    defaults: dict[str, object] = {
        "cluster": CLUSTER,
        "job_id": record.job_id,
        "run": 1,
        "runs": (RunFacts(number=1, state=state, label=label, start_ns=START_NS, end_ns=end_ns),),
        "outcome": outcome,
        "as_of_ns": (end_ns or START_NS) + 60 * S,
        "record": record,
        "identity": JobIdentity(job_id=record.job_id, node_list="c[1-2]", cpus_per_node="2(x2)"),
        "submit_ns": START_NS - 3 * S - 300_000_000,
        "start_ns": START_NS,
        "end_ns": end_ns,
        "start_source": TimeSource.HOOK,
        "end_source": None if end_ns is None else TimeSource.HOOK,
        "timeline": hook_timeline(("c1", "c2"), seconds),
    }
    return JobFacts(**{**defaults, **changes})  # type: ignore[arg-type]


def small_courses(seed: int, cpu: Course | None = None) -> dict[str, Course]:
    """CPU, memory, I/O of processes and the node's pressure of a two-core share."""
    return {
        "cpu_cores": cpu or steady(1.9, seed=seed),
        "memory_bytes": growing(60 * MIB, 285 * MIB, 12, seed=seed),
        "process_io_read_bytes_per_second": until(steady(0.4e6, seed=seed + 10), 15),
        "process_io_written_bytes_per_second": waves(1e6, 9e6, 9, seed=seed + 20),
        "node_pressure_cpu_some_ratio": steady(0.013, seed=seed + 30),
        "node_pressure_memory_some_ratio": steady(0.0, seed=seed + 40),
        "node_pressure_io_some_ratio": waves(0.02, 0.2, 9, seed=seed + 50),
    }
