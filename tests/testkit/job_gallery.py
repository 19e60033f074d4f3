"""A gallery of made-up jobs as history would answer them: one for each way a job can look."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec

from slurmlens.events import (
    FigureSource,
    JobIdentity,
    StepProgram,
    StepTotals,
    Totals,
    Witness,
)
from slurmlens.hub.history.facts import (
    DroppedEvents,
    JobFacts,
    NodeFacts,
    NodeState,
    Outcome,
    OutcomeSource,
    RunFacts,
)
from slurmlens.slurm.records import JobState, RecordSource
from testkit.job_parts import (
    GIB,
    HOSTILE_NAME,
    MIB,
    START_NS,
    Course,
    S,
    exact,
    growing,
    hook_timeline,
    make_facts,
    make_node,
    make_profile,
    make_record,
    make_steps,
    make_totals,
    small_courses,
    steady,
    unseen,
    until,
    waves,
)


def completed() -> JobFacts:
    nodes = tuple(
        make_node(name, 31, profile=make_profile(31, small_courses(seed))) for seed, name in enumerate(("c1", "c2"), 1)
    )
    record = make_record(JobState.COMPLETED, 31, steps=make_steps(JobState.COMPLETED, 31))
    return make_facts(JobState.COMPLETED, "COMPLETED", 31, record=record, nodes=nodes)


def failed_on_faulty_node() -> JobFacts:
    faulty = until(steady(1.9, seed=2), 12)
    nodes = (
        make_node("c1", 31, profile=make_profile(31, small_courses(1)), totals=make_totals(cpu_s=exact(58.2))),
        make_node(
            "c2",
            31,
            profile=make_profile(31, small_courses(2, faulty)),
            totals=make_totals(cpu_s=exact(24.0), memory_peak_bytes=exact(113 * MIB)),
            other_failed_jobs_today=(4702, 4698),
        ),
    )
    record = make_record(JobState.FAILED, 31, exit_code=42, steps=make_steps(JobState.FAILED, 31, exit_code=42))
    return make_facts(JobState.FAILED, "FAILED 42:0", 31, record=record, nodes=nodes)


def out_of_memory() -> JobFacts:
    courses = {"cpu_cores": steady(0.98), "memory_bytes": growing(30 * MIB, 512 * MIB, 12)}
    totals = make_totals(
        cpu_s=exact(11.6),
        memory_peak_bytes=exact(512 * MIB),
        memory_limit_bytes=512 * MIB,
        oom_kills=1,
        io_read_bytes=None,
        io_written_bytes=None,
        steps=(
            StepTotals(
                step="batch",
                samples=9,
                cpu_s=exact(11.6),
                memory_peak_bytes=exact(512 * MIB),
                oom_kills=1,
                modules="gcc/12.2:openmpi/4.1:lammps/2023",
                container="lmp.sif",
                programs=(
                    StepProgram(name="lmp", processes=4, threads=16),
                    StepProgram(name="<b>\x1b[31mpost", processes=1, threads=1),
                ),
            ),
        ),
    )
    record = make_record(
        JobState.OUT_OF_MEMORY,
        12.4,
        nodes=("c1",),
        node_count=1,
        cpu_count=1,
        memory_bytes=512 * MIB,
        exit_code=0,
        exit_signal=125,
        name="leaky",
        steps=make_steps(JobState.OUT_OF_MEMORY, 12.4)[:2],
    )
    return make_facts(
        JobState.OUT_OF_MEMORY,
        "OUT_OF_MEMORY",
        12.4,
        record=record,
        identity=None,
        nodes=(make_node("c1", 12.4, samples=9, totals=totals, profile=make_profile(12.4, courses)),),
        timeline=hook_timeline(("c1",), 12.4),
        outcome_changes={"oom_kills": 1},
    )


def timeout() -> JobFacts:
    nodes = tuple(make_node(name, 600.2, totals=make_totals(cpu_s=exact(1170.0), samples=71)) for name in ("c1", "c2"))
    record = make_record(JobState.TIMEOUT, 601, exit_signal=15)
    return make_facts(JobState.TIMEOUT, "TIMEOUT", 600.2, record=record, nodes=nodes)


def cancelled_while_pending() -> JobFacts:
    record = make_record(JobState.CANCELLED, None, start_s=None, end_s=START_NS // S + 180, nodes=(), steps=())
    return make_facts(
        JobState.CANCELLED,
        "CANCELLED by alice",
        180,
        record=record,
        start_ns=None,
        start_source=None,
        identity=None,
        timeline=(),
        outcome_changes={"cancelled_by": "alice"},
    )


def running(seconds: float = 47) -> JobFacts:
    nodes = tuple(
        make_node(
            name,
            seconds,
            state=NodeState.RUNNING,
            end_ns=None,
            end_witness=None,
            totals=None,
            samples=0,
            complete=False,
            profile=make_profile(seconds, small_courses(seed)),
        )
        for seed, name in enumerate(("c1", "c2"), 1)
    )
    record = make_record(JobState.RUNNING, None, source=RecordSource.QUEUE, steps=make_steps(JobState.RUNNING, None))
    return make_facts(
        JobState.RUNNING,
        "RUNNING",
        None,
        record=record,
        nodes=nodes,
        as_of_ns=START_NS + round(seconds * S),
        is_live=True,
        timeline=hook_timeline(("c1", "c2"), None),
    )


def pending() -> JobFacts:
    record = make_record(
        JobState.PENDING,
        None,
        source=RecordSource.QUEUE,
        start_s=None,
        nodes=(),
        node_count=2,
        reason="Resources",
        expected_start_s=START_NS // S + 900,
        exit_code=None,
        exit_signal=None,
    )
    return make_facts(
        JobState.PENDING,
        "PENDING",
        None,
        record=record,
        start_ns=None,
        start_source=None,
        identity=None,
        timeline=(),
        is_live=True,
        as_of_ns=START_NS + 240 * S,
    )


def large(node_count: int = 128) -> JobFacts:
    names = tuple(f"n{index:03d}" for index in range(1, node_count + 1))
    seconds = 5400.0
    nodes = []
    for index, name in enumerate(names):
        level = 12.0 if name == "n077" else 31.0
        courses = {
            "cpu_cores": waves(level * 0.9, level, 900, seed=index),
            "memory_bytes": growing(20 * GIB, (70 if name == "n077" else 31) * GIB, 3000, seed=index),
            "io_read_bytes_per_second": waves(1e6, 40e6, 1200, seed=index + 1),
            "io_written_bytes_per_second": waves(5e6, 90e6, 1800, seed=index + 2),
            "pressure_io_some_ratio": waves(0.01, 0.15, 1800, seed=index + 3),
        }
        totals = make_totals(
            samples=545,
            cpu_s=exact(level * 0.95 * seconds),
            memory_peak_bytes=exact((72 if name == "n077" else 32) * GIB),
            memory_limit_bytes=96 * GIB,
            io_read_bytes=exact(1.1e11),
            io_written_bytes=exact(2.5e11),
            pressure_cpu_some_s=exact(20.0),
            pressure_memory_some_s=exact(0.1),
            pressure_io_some_s=exact(430.0),
            steps=(),
        )
        nodes.append(
            make_node(name, seconds, samples=545, totals=totals, profile=make_profile(seconds, courses, width_s=40))
        )
    record = make_record(
        JobState.COMPLETED,
        seconds,
        name="climate-ensemble",
        nodes=names,
        node_count=node_count,
        cpu_count=32 * node_count,
        memory_bytes=96 * GIB * node_count,
        time_limit_s=14_400,
        submit_s=START_NS // S - 86_400 * 2,
        steps=make_steps(JobState.COMPLETED, seconds, nodes=names),
    )
    return make_facts(
        JobState.COMPLETED,
        "COMPLETED",
        seconds,
        record=record,
        nodes=tuple(nodes),
        submit_ns=START_NS - 86_400 * 2 * S,
        identity=JobIdentity(job_id=4711, node_list=f"n[001-{node_count:03d}]", cpus_per_node=f"32(x{node_count})"),
        timeline=hook_timeline(names, seconds),
    )


def array_task() -> JobFacts:
    facts = completed()
    assert facts.record is not None
    return msgspec.structs.replace(
        facts, record=msgspec.structs.replace(facts.record, array_job_id=4700, array_task_id=11, name="sweep")
    )


def requeued_first_run() -> JobFacts:
    facts = completed()
    assert facts.record is not None
    later_ns = START_NS + 200 * S
    return msgspec.structs.replace(
        facts,
        outcome=Outcome(state=JobState.REQUEUED, label="REQUEUED", source=OutcomeSource.SCHEDULER),
        record=msgspec.structs.replace(
            facts.record, state=JobState.REQUEUED, exit_code=None, exit_signal=None, steps=()
        ),
        runs=(
            RunFacts(number=1, state=JobState.REQUEUED, label="REQUEUED", start_ns=START_NS, end_ns=START_NS + 31 * S),
            RunFacts(
                number=2, state=JobState.COMPLETED, label="COMPLETED", start_ns=later_ns, end_ns=later_ns + 90 * S
            ),
        ),
    )


def without_io() -> JobFacts:
    totals = make_totals(
        io_read_bytes=None,
        io_written_bytes=None,
        pressure_cpu_some_s=None,
        pressure_memory_some_s=None,
        pressure_io_some_s=None,
    )
    nodes = tuple(make_node(name, 31, totals=totals) for name in ("c1", "c2"))
    return make_facts(JobState.COMPLETED, "COMPLETED", 31, nodes=nodes)


def without_samples() -> JobFacts:
    """A job whose cgroup nobody ever read, on one node; the other never told anything."""
    totals = Totals(samples=0)
    node = make_node("c1", 0.31, samples=0, totals=totals, complete=False)
    return make_facts(JobState.COMPLETED, "COMPLETED", 0.31, nodes=(node,), timeline=hook_timeline(("c1",), 0.31))


def with_a_gap() -> JobFacts:
    """The daemon on c1 was away for ten seconds, its start was found without a hook; c2's spool had been full."""
    courses = small_courses(1)
    courses = {name: unseen(course, 8, 18) for name, course in courses.items()}
    figure = exact(55.0, FigureSource.LAST_SAMPLE, complete=False)
    dropped = DroppedEvents(lines=12, from_ns=START_NS + 5 * S, until_ns=START_NS + 20 * S)
    nodes = (
        make_node(
            "c1",
            31,
            profile=make_profile(31, courses),
            totals=make_totals(cpu_s=figure),
            unseen_s=10.0,
            complete=False,
            sightings=2,
            start_witness=Witness.CGROUP,
        ),
        make_node("c2", 31, profile=make_profile(31, small_courses(2)), dropped=dropped),
    )
    return make_facts(JobState.COMPLETED, "COMPLETED", 31, nodes=nodes)


def hostile_name() -> JobFacts:
    facts = completed()
    assert facts.record is not None
    return msgspec.structs.replace(
        facts,
        record=msgspec.structs.replace(facts.record, name=HOSTILE_NAME, account="=cmd|' /C calc'!A0"),
    )


def silent_scheduler() -> JobFacts:
    """Only the nodes told: no record at all, and the Epilog knew an exit code."""
    nodes = (make_node("c1", 31, profile=make_profile(31, small_courses(1))),)
    facts = make_facts(JobState.FAILED, "FAILED 3:0", 31, nodes=nodes)
    identity = JobIdentity(job_id=4711, user_name="alice", job_name="gemm", node_list="c1", cpus_per_node="2")
    return msgspec.structs.replace(
        facts,
        record=None,
        identity=identity,
        outcome=msgspec.structs.replace(facts.outcome, source=OutcomeSource.HOOK, exit_code=3),
        submit_ns=None,
    )


def reconciled() -> JobFacts:
    """A node was lost in mid-run: nobody reported its end, the scheduler's word closed it."""
    lost = make_node("c2", 31, state=NodeState.RECONCILED, end_witness=None, totals=None, samples=0, complete=False)
    lost = msgspec.structs.replace(lost, reconciled_reason="run-ended", unseen_s=None)
    record = make_record(JobState.NODE_FAIL, 31)
    return make_facts(JobState.NODE_FAIL, "NODE_FAIL", 31, record=record, nodes=(make_node("c1", 31), lost))


def out_of_touch() -> JobFacts:
    """It ran when the scheduler and both nodes were last heard of; an hour later nobody can say."""
    facts = running()
    as_of_ns = facts.as_of_ns + 3600 * S
    nodes = tuple(msgspec.structs.replace(node, state=NodeState.SILENT) for node in facts.nodes)
    return msgspec.structs.replace(facts, as_of_ns=as_of_ns, nodes=nodes, scheduler_silent_since_ns=facts.as_of_ns)


def showcase() -> JobFacts:
    """The job in the README's picture: a parallel run that writes checkpoints, on four nodes of which one drops out."""
    names, seconds, stop_s = ("n041", "n042", "n043", "n044"), 1_572.0, 1_065.0
    nodes = tuple(_showcase_node(name, seed, seconds, stop_s) for seed, name in enumerate(names, 7))
    record = make_record(
        JobState.FAILED,
        seconds,
        job_id=48213,
        name="lattice-64",
        user="maria",
        account="qcd",
        partition="compute",
        nodes=names,
        node_count=4,
        cpu_count=128,
        memory_bytes=4 * 96 * GIB,
        time_limit_s=3_600,
        submit_s=START_NS // S - 312,
        exit_code=42,
        steps=make_steps(JobState.FAILED, seconds, exit_code=42, nodes=names),
    )
    return make_facts(
        JobState.FAILED,
        "FAILED 42:0",
        seconds,
        record=record,
        nodes=nodes,
        submit_ns=START_NS - 312 * S,
        identity=JobIdentity(job_id=48213, node_list="n[041-044]", cpus_per_node="32(x4)"),
        timeline=hook_timeline(names, seconds),
    )


def _showcase_node(name: str, seed: int, seconds: float, stop_s: float) -> NodeFacts:
    def checkpoint(level: float, resting: float) -> Course:
        noise = random.Random(seed)
        return lambda at_s: (level if at_s % 300 > 270 else resting) * noise.uniform(0.85, 1.1)

    working = steady(31.2, ramp_s=60, seed=seed, noise=0.015)
    courses: dict[str, Course] = {
        "cpu_cores": lambda at_s: (working(at_s) or 0.0) * (0.72 if at_s % 300 > 270 else 1.0),
        "memory_bytes": growing(21 * GIB, 58 * GIB, 700, seed=seed),
        "io_read_bytes_per_second": until(checkpoint(60e6, 180e6), 70),
        "io_written_bytes_per_second": checkpoint(640e6, 3e6),
        "pressure_cpu_some_ratio": steady(0.02, seed=seed),
        "pressure_memory_some_ratio": steady(0.001, seed=seed),
        "pressure_io_some_ratio": checkpoint(0.31, 0.006),
    }
    is_faulty = name == "n043"
    if is_faulty:
        courses = {key: until(course, stop_s) for key, course in courses.items() if key != "memory_bytes"}
        courses["memory_bytes"] = growing(21 * GIB, 58 * GIB, 700, seed=seed)
    busy_s = stop_s if is_faulty else seconds
    totals = make_totals(
        samples=161,
        cpu_s=exact(30.1 * busy_s),
        memory_peak_bytes=exact((58.4 + seed / 10) * GIB),
        memory_limit_bytes=96 * GIB,
        io_read_bytes=exact(12.6e9, FigureSource.LAST_SAMPLE),
        io_written_bytes=exact(19.2e6 * busy_s * 3.6, FigureSource.LAST_SAMPLE),
        pressure_cpu_some_s=exact(0.02 * seconds),
        pressure_memory_some_s=exact(1.0),
        pressure_io_some_s=exact(0.037 * busy_s),
        steps=(
            StepTotals(step="batch", samples=161, cpu_s=exact(3.4), memory_peak_bytes=exact(21 * MIB), oom_kills=0),
            StepTotals(
                step="0",
                samples=161,
                cpu_s=exact(30.1 * busy_s),
                memory_peak_bytes=exact(58 * GIB),
                oom_kills=0,
                modules="gcc/12.2:openmpi/4.1:lammps/2023",
                container="lmp.sif",
                programs=(StepProgram(name="lmp", processes=32, threads=64),),
            ),
        ),
    )
    profile = make_profile(seconds, courses, width_s=10)
    failures = (48177, 48102) if is_faulty else ()
    return make_node(name, seconds, samples=161, totals=totals, profile=profile, other_failed_jobs_today=failures)


GALLERY: dict[str, Callable[[], JobFacts]] = {
    "completed": completed,
    "failed_on_faulty_node": failed_on_faulty_node,
    "out_of_memory": out_of_memory,
    "timeout": timeout,
    "cancelled_while_pending": cancelled_while_pending,
    "running": running,
    "pending": pending,
    "large": large,
    "array_task": array_task,
    "requeued_first_run": requeued_first_run,
    "without_io": without_io,
    "without_samples": without_samples,
    "with_a_gap": with_a_gap,
    "hostile_name": hostile_name,
    "silent_scheduler": silent_scheduler,
    "reconciled": reconciled,
    "out_of_touch": out_of_touch,
}
