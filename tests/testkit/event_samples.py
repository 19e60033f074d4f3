"""Events of every kind: one of each, written down, and strategies that make any."""

from __future__ import annotations

import msgspec
from hypothesis import strategies as st

from slurmlens.events import (
    AnyEvent,
    CollectorTrouble,
    DroppedLines,
    ExitCount,
    Figure,
    FigureSource,
    GpuHolding,
    GpuState,
    JobEnd,
    JobIdentity,
    JobMessage,
    JobProfile,
    JobProgress,
    JobStart,
    JobSummary,
    LinesDropped,
    MachineState,
    NodeHeartbeat,
    NodeReading,
    NodeSoftware,
    Package,
    Point,
    Profile,
    StepProgram,
    StepTotals,
    TaskProgress,
    Totals,
    Witness,
)

_WHERE = {
    "boot_id": "11111111-2222-3333-4444-555555555555",
    "cluster": "demo",
    "node": "n0",
}
_JOB = JobIdentity(
    job_id=17,
    restart_count=0,
    user_id=2000,
    user_name="alice",
    group_id=2000,
    account="physics",
    partition="batch",
    node_list="n[0-1]",
    node_count=2,
    task_count=8,
    cpus_per_node="4(x2)",
)
_PROFILE = Profile(
    start_ns=1_795_420_800_000_000_000,
    width_s=10.0,
    columns={
        "cpu_cores": [Point(0.5, 1.25, 3.75), Point(None, None, None)],
        "memory_bytes": [Point(1e6, 2e6, 3e6), Point(4e6, 4e6, 4e6)],
    },
)


_LINES_DROPPED = LinesDropped(
    id="f" * 32,
    time_ns=1_795_420_870_000_000_000,
    boottime_ns=1_070_000_000_000,
    dropped=(
        DroppedLines(stream="metrics", reason="spool_limit", lines=4711, since_ns=1_795_420_000_000_000_000),
        DroppedLines(stream="events", reason="age", lines=1, since_ns=1_795_420_001_000_000_000),
    ),
    **_WHERE,
)


_TOLD_FROM_INSIDE = (
    JobProgress(
        id="1" * 32,
        time_ns=1_795_420_825_000_000_000,
        boottime_ns=1_025_000_000_000,
        sighting="n0-17-1",
        job_id=17,
        tasks=(
            TaskProgress(
                step="0",
                rank=0,
                time_ns=1_795_420_824_500_000_000,
                done=412.0,
                total=1000.0,
                values={"residual": 1e-5},
            ),
            TaskProgress(step="batch", time_ns=1_795_420_824_600_000_000, done=3.0),
        ),
        **_WHERE,
    ),
    JobMessage(
        id="2" * 32,
        time_ns=1_795_420_826_000_000_000,
        boottime_ns=1_026_000_000_000,
        sighting="n0-17-1",
        job_id=17,
        step="0",
        rank=0,
        text="checkpoint 7 written",
        **_WHERE,
    ),
    NodeSoftware(
        id="4" * 32,
        time_ns=1_795_420_828_000_000_000,
        boottime_ns=1_028_000_000_000,
        source="dpkg",
        packages=(Package("libc6", "2.36-9", "amd64"), Package("openmpi-bin", "4.1.4-3", "amd64")),
        count=2,
        **_WHERE,
    ),
    MachineState(
        id="3" * 32,
        time_ns=1_795_420_827_000_000_000,
        boottime_ns=1_027_000_000_000,
        interval_s=60.0,
        readings=(NodeReading("load.load_1min_count", "", 3.5), NodeReading("disk.busy_ratio", "nvme0n1", 0.93)),
        troubles=(CollectorTrouble(collector="hwmon", problem="off: cost"),),
        gpus=(
            GpuState(
                uuid="GPU-5a7f2c1e",
                pci="0000:41:00.0",
                minor=1,
                model="Imaginary 80GB",
                utilisation_ratio=0.75,
                memory_used_bytes=42_949_672_960,
                memory_total_bytes=85_899_345_920,
                throttles=("power cap",),
                xid=79,
                xids=1,
                outsiders=(18,),
            ),
        ),
        holdings=(
            GpuHolding(
                uuid="GPU-5a7f2c1e",
                sighting="n0-17-1",
                job_id=17,
                by="cgroup",
                since_ns=1_795_420_800_000_000_000,
                told_ns=1_795_420_827_000_000_000,
                seen_s=20.0,
                busy_s=15.0,
                memory_peak_bytes=42_949_672_960,
                energy_joules=9000.0,
                processes=1,
            ),
        ),
        **_WHERE,
    ),
)


def one_of_each() -> list[AnyEvent]:
    """A job's life on one node and what is told of the node itself, with every part that an event can have."""
    return [
        JobStart(
            id="a" * 32,
            time_ns=1_795_420_800_123_456_789,
            boottime_ns=1_000_000_000_001,
            sighting="n0-17-1",
            job=_JOB,
            witness=Witness.HOOK,
            slot=0,
            **_WHERE,
        ),
        JobProfile(
            id="b" * 32,
            time_ns=1_795_420_820_000_000_000,
            boottime_ns=1_020_000_000_000,
            sighting="n0-17-1",
            job_id=17,
            profile=_PROFILE,
            **_WHERE,
        ),
        JobEnd(
            id="c" * 32,
            time_ns=1_795_420_830_000_000_001,
            boottime_ns=1_030_000_000_000,
            sighting="n0-17-1",
            job=msgspec.structs.replace(_JOB, exit_code=42, exit_signal=0, derived_exit_code=42),
            witness=Witness.HOOK,
            **_WHERE,
        ),
        JobSummary(
            id="d" * 32,
            time_ns=1_795_420_830_000_000_002,
            boottime_ns=1_030_000_000_001,
            sighting="n0-17-1",
            job=_JOB,
            start_ns=1_795_420_800_123_456_789,
            end_ns=1_795_420_830_000_000_001,
            start_witness=Witness.HOOK,
            end_witness=Witness.CGROUP,
            unseen_s=0.0,
            slot=0,
            totals=Totals(
                samples=9,
                cpu_s=Figure(value=12.5, source=FigureSource.PARENT_REST),
                memory_peak_bytes=Figure(value=3e6, source=FigureSource.LAST_SAMPLE, complete=False),
                memory_limit_bytes=8_000_000,
                oom_kills=0,
                steps=(StepTotals(step="batch", samples=9), StepTotals(step="0", oom_kills=1)),
            ),
            profile=_PROFILE,
            **_WHERE,
        ),
        NodeHeartbeat(
            id="e" * 32,
            time_ns=1_795_420_860_000_000_000,
            boottime_ns=1_060_000_000_000,
            version="0.1.0",
            interval_s=10.0,
            running=((17, "n0-17-1"), (18, "n0-18-1")),
            **_WHERE,
        ),
        _LINES_DROPPED,
        *_TOLD_FROM_INSIDE,
    ]


_names = st.text(min_size=1, max_size=20)
_counts = st.integers(min_value=0, max_value=2**63 - 1)
_floats = st.floats(allow_nan=False, allow_infinity=False)
_job_ids = st.integers(min_value=1, max_value=2**32 - 1)


def _maybe(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | strategy


def _identities() -> st.SearchStrategy[JobIdentity]:
    fields = {
        field.name: _maybe(st.text(max_size=20)) if "str" in str(field.type) else _maybe(_counts)
        for field in msgspec.structs.fields(JobIdentity)
        if field.name not in ("job_id", "cut")
    }
    cut = st.lists(_names, max_size=3).map(tuple)
    return st.builds(JobIdentity, job_id=_job_ids, cut=cut, **fields)


def _figures() -> st.SearchStrategy[Figure]:
    return st.builds(Figure, value=_floats, source=st.sampled_from(FigureSource), complete=st.booleans())


def _totals() -> st.SearchStrategy[Totals]:
    def fields_of(struct: type[msgspec.Struct]) -> dict[str, st.SearchStrategy[object]]:
        return {
            field.name: _maybe(_figures()) if "Figure" in str(field.type) else _maybe(_counts)
            for field in msgspec.structs.fields(struct)
            if field.name
            not in ("samples", "steps", "step", "exits", "tag", "command", "modules", "container", "programs")
        }

    exits = st.builds(
        ExitCount, code=_counts, signal=_counts, tasks=_counts, first_tasks=st.lists(_counts, max_size=3).map(tuple)
    )
    programs = st.builds(StepProgram, name=_names, processes=_counts, threads=_counts)
    told = {
        "exits": st.lists(exits, max_size=2).map(tuple),
        "tag": _maybe(_names),
        "command": _maybe(_names),
        "modules": _maybe(_names),
        "container": _maybe(_names),
        "programs": st.lists(programs, max_size=2).map(tuple),
    }
    steps = st.builds(StepTotals, step=_names, samples=_counts, **told, **fields_of(StepTotals))
    return st.builds(Totals, samples=_counts, steps=st.lists(steps, max_size=3).map(tuple), **fields_of(Totals))


def _profiles() -> st.SearchStrategy[Profile]:
    points = st.builds(Point, *[_maybe(_floats)] * 3)
    columns = st.dictionaries(_names, st.lists(points, max_size=5), max_size=4)
    return st.builds(Profile, start_ns=_counts, width_s=_floats, columns=columns)


def _dropped() -> st.SearchStrategy[DroppedLines]:
    return st.builds(DroppedLines, stream=_names, reason=_names, lines=_counts, since_ns=_counts)


def _task_progress() -> st.SearchStrategy[TaskProgress]:
    values = st.dictionaries(_names, _floats, max_size=3)
    rank = _maybe(_counts)
    return st.builds(
        TaskProgress, step=_names, rank=rank, time_ns=_counts, done=_floats, total=_maybe(_floats), values=values
    )


def events() -> st.SearchStrategy[AnyEvent]:
    """Any event of any kind that the types allow."""
    common = {"id": _names, "time_ns": _counts, "boot_id": _names, "boottime_ns": _counts}
    common |= {"cluster": _names, "node": _names}
    told = {"sighting": _names, "job": _identities(), "witness": st.sampled_from(Witness)}
    slots = _maybe(st.integers(min_value=0, max_value=63))
    return st.one_of(
        st.builds(JobStart, **common, **told, slot=slots),
        st.builds(JobEnd, **common, **told),
        st.builds(JobProfile, **common, sighting=_names, job_id=_job_ids, profile=_profiles()),
        st.builds(
            JobSummary,
            **common,
            sighting=_names,
            job=_identities(),
            start_ns=_counts,
            end_ns=_counts,
            start_witness=st.sampled_from(Witness),
            end_witness=st.sampled_from(Witness),
            unseen_s=_floats,
            slot=slots,
            totals=_totals(),
            profile=_maybe(_profiles()),
        ),
        st.builds(
            NodeHeartbeat,
            **common,
            version=_names,
            interval_s=_floats,
            running=st.lists(st.tuples(_job_ids, _names), max_size=3).map(tuple),
        ),
        st.builds(LinesDropped, **common, dropped=st.lists(_dropped(), max_size=3).map(tuple)),
        st.builds(
            JobProgress,
            **common,
            sighting=_names,
            job_id=_job_ids,
            tasks=st.lists(_task_progress(), max_size=3).map(tuple),
        ),
        st.builds(
            MachineState,
            **common,
            interval_s=_floats,
            readings=st.lists(st.builds(NodeReading, _names, _names, _floats), max_size=3).map(tuple),
            troubles=st.lists(st.builds(CollectorTrouble, collector=_names, problem=_names), max_size=2).map(tuple),
        ),
        st.builds(
            JobMessage, **common, sighting=_names, job_id=_job_ids, step=_names, rank=_maybe(_counts), text=_names
        ),
    )
