"""`JobFacts` to `JobView`: the one way from what is known to what is shown.

Pure: the time is that of the facts (`as_of_ns`). Used by the page, `.json`, `.csv` and, through the JSON,
by the command line. Each part is made in a module of its own; this one puts them together and decides the order of
the nodes.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.hub.history.conclude.run_extent import RunExtent, run_extent
from slurmlens.hub.history.facts import JobFacts, NodeFacts, NodeState, RunFacts
from slurmlens.hub.progress.course import TaskCourse
from slurmlens.hub.progress.facts import job_estimate
from slurmlens.hub.views.finding.build import build_finding_line
from slurmlens.hub.views.job import usage
from slurmlens.hub.views.job.advice import build_advice
from slurmlens.hub.views.job.assessments import build_assessments
from slurmlens.hub.views.job.cause import probable_cause
from slurmlens.hub.views.job.charts import build_charts, limits_of
from slurmlens.hub.views.job.earlier import build_earlier
from slurmlens.hub.views.job.gpus import build_gpus
from slurmlens.hub.views.job.headline import HeadlineBasis, headline
from slurmlens.hub.views.job.machines import build_machines
from slurmlens.hub.views.job.oddities import Stop, middle_of, node_notes, odd_beside, stopped_computing
from slurmlens.hub.views.job.profile_bins import BinValue, grid_for, on_grid, shrink
from slurmlens.hub.views.job.progress import build_progress
from slurmlens.hub.views.job.provenance import provenance_of
from slurmlens.hub.views.job.steps import build_steps
from slurmlens.hub.views.job.surroundings import RunSurroundings
from slurmlens.hub.views.job.then import build_then
from slurmlens.hub.views.job.timeline import build_bands, build_marks
from slurmlens.hub.views.job.view import (
    Allocation,
    Charts,
    Identity,
    JobView,
    NodeView,
    Note,
    Phase,
    RunLink,
    Times,
    rows_shown,
)
from slurmlens.hub.views.states import exit_text, phase_of
from slurmlens.shown.text import encodable
from slurmlens.slurm.records import JobState

COURSE_POINTS = 24
NOTHING_ELSE = RunSurroundings()


def build_job_view(facts: JobFacts, around: RunSurroundings = NOTHING_ELSE) -> JobView:
    """Everything that is shown of one run: what history knows of it, and what the rooms beside do."""
    extent = _extent(facts)
    phase = phase_of(facts.outcome.state, started=facts.start_ns is not None, ended=extent.is_over)
    times = _times(facts, extent, phase)
    allocation = _allocation(extent)
    run_nodes = _all_nodes(facts, extent, phase)
    stops = _stops(facts, extent, run_nodes, phase)
    nodes = _node_views(facts, extent, run_nodes, stops)
    cpu = usage.job_cpu(nodes, extent.core_s)
    memory, peak_node = usage.job_memory(nodes)
    provenance = provenance_of(facts, extent, nodes, phase)
    is_suspended = facts.outcome.state is JobState.SUSPENDED
    estimate = None if around.progress is None else job_estimate(around.progress, facts.as_of_ns, times.limit_ns)
    has_limit = times.limit_ns is not None
    progress = build_progress(estimate, phase, facts.as_of_ns, has_limit=has_limit, is_suspended=is_suspended)
    basis = HeadlineBasis(facts, phase, allocation, times.ran, times.waited_s, cpu, memory, peak_node, stops, progress)
    messages = () if around.progress is None else around.progress.messages
    cause = probable_cause(facts, extent, memory, stops, around.lines, around.findings)
    return JobView(
        made_ns=facts.as_of_ns,
        phase=phase,
        state=facts.outcome.state,
        state_text=facts.outcome.label,
        headline=headline(basis),
        findings=tuple(map(build_finding_line, around.findings)),
        cause=cause,
        derived_exit_text=_derived_exit(facts),
        identity=_identity(facts),
        times=times,
        allocation=allocation,
        cpu=cpu,
        memory=memory,
        memory_peak_node=peak_node,
        progress=progress,
        earlier=build_earlier(around.earlier, facts, phase),
        io=usage.job_io(nodes),
        pressure=usage.job_pressure(nodes),
        nodes=nodes,
        gpus=build_gpus(around.gpus, extent.gpus, is_live=facts.is_live),
        machines=build_machines(around.node_courses, extent.cores_by_node, extent.ran_s or 0.0),
        steps=build_steps(facts),
        bands=build_bands(facts, facts.start_ns, facts.end_ns),
        marks=build_marks(facts, stops, messages, around.lines, around.controller),
        charts=_charts(facts, extent, run_nodes, nodes, times.waited_s, estimate.lead.course if estimate else None),
        advice=build_advice(facts.outcome.state, allocation, cpu, memory, times.ran, provenance.samples or 0, cause),
        provenance=provenance,
        then=build_then(around.memberships),
        other_runs=tuple(_run_link(run, facts) for run in facts.runs if run.number != facts.run),
        assessments=build_assessments(around.triggers),
        is_live=facts.is_live,
        last_news_ns=max((node.last_heard_ns for node in facts.nodes if node.last_heard_ns is not None), default=None),
    )


def _extent(facts: JobFacts) -> RunExtent:
    return run_extent(
        facts.outcome.state,
        facts.record,
        facts.identity,
        reporting=(node.node for node in facts.nodes),
        start_ns=facts.start_ns,
        end_ns=facts.end_ns,
        now_ns=facts.as_of_ns,
    )


def _allocation(extent: RunExtent) -> Allocation:
    return Allocation(
        node_list=extent.node_list,
        node_list_is_cut=extent.node_list_is_cut,
        node_count=extent.node_count,
        cores=extent.cores,
        gpus=extent.gpus,
        memory_bytes=extent.memory_bytes,
    )


def _derived_exit(facts: JobFacts) -> str | None:
    record = facts.record
    return exit_text(record.derived_exit_code, record.derived_exit_signal) if record else None


def _identity(facts: JobFacts) -> Identity:
    record, hook = facts.record, facts.identity

    def told(key: str, hook_key: str | None = None) -> object:
        value = getattr(record, key) if record else None
        return value if value is not None else (getattr(hook, hook_key or key) if hook else None)

    return Identity(
        cluster=facts.cluster,
        job_id=facts.job_id,
        run=facts.run,
        runs=len(facts.runs),
        name=_text(told("name", "job_name")),
        user=_text(told("user", "user_name")),
        account=_text(told("account")),
        partition=_text(told("partition")),
        qos=_text(told("qos")),
        array_job_id=_number(told("array_job_id")),
        array_task_id=_number(told("array_task_id")),
        het_job_id=_number(told("het_job_id")),
        het_job_offset=_number(told("het_job_offset")),
    )


def _text(value: object) -> str | None:
    return encodable(value) if isinstance(value, str) else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _times(facts: JobFacts, extent: RunExtent, phase: Phase) -> Times:
    record = facts.record
    waited_until = facts.start_ns if facts.start_ns is not None else (facts.end_ns or facts.as_of_ns)
    return Times(
        submitted_ns=facts.submit_ns,
        started_ns=facts.start_ns,
        ended_ns=facts.end_ns,
        expected_start_ns=record.expected_start_s * NS_PER_S if record and record.expected_start_s else None,
        waited_s=_seconds(facts.submit_ns, waited_until),
        ran=usage.against(extent.ran_s, extent.limit_s),
        limit_ns=extent.limit_ns(facts.start_ns) if phase is Phase.RUNNING else None,
        start_source=facts.start_source.value if facts.start_source else None,
        end_source=facts.end_source.value if facts.end_source else None,
    )


def _seconds(start_ns: int | None, end_ns: int | None) -> float | None:
    """A duration; a clock that went back makes 0 of it, never a negative figure."""
    return None if start_ns is None or end_ns is None else max(0, end_ns - start_ns) / NS_PER_S


def _all_nodes(facts: JobFacts, extent: RunExtent, phase: Phase) -> tuple[NodeFacts, ...]:
    """The run's nodes in the scheduler's order, those that reported nothing included."""
    if phase is Phase.PENDING:
        return ()
    told = {node.node: node for node in facts.nodes}
    return tuple(told.get(name) or NodeFacts(node=name, state=NodeState.UNHEARD) for name in extent.nodes)


_ENDED_BY_SLURM = (JobState.TIMEOUT, JobState.CANCELLED, JobState.PREEMPTED, JobState.DEADLINE)


def _stops(facts: JobFacts, extent: RunExtent, nodes: Sequence[NodeFacts], phase: Phase) -> dict[str, Stop]:
    cores = extent.cores_by_node
    end_ns = facts.end_ns if phase is Phase.ENDED and facts.end_ns is not None else facts.as_of_ns
    was_ended = phase is Phase.ENDED and facts.outcome.state in _ENDED_BY_SLURM
    found = {
        node.node: stopped_computing(node.profile, cores.get(node.node), end_ns, was_ended=was_ended) for node in nodes
    }
    return {name: stop for name, stop in found.items() if stop is not None}


def _node_views(
    facts: JobFacts, extent: RunExtent, nodes: Sequence[NodeFacts], stops: dict[str, Stop]
) -> tuple[NodeView, ...]:
    """Rows of the node table, the odd ones first, else in the scheduler's order; the first of them with courses."""
    plain = [_node_view(node, extent) for node in nodes]
    usual = middle_of(plain)
    rows = []
    for node, view in zip(nodes, plain, strict=True):
        notes = node_notes(node, stops.get(node.node))
        beside = odd_beside(view, usual) if node.node not in stops else None
        if beside:
            notes = (*notes, Note(text=beside))
        odd = len(nodes) > 1 and (node.node in stops or beside is not None or _is_troubled(node))
        rows.append((node, msgspec.structs.replace(view, notes=notes, odd=odd) if notes or odd else view))
    rows.sort(key=lambda row: not row[1].odd)
    shown = rows_shown(len(rows))
    with_courses = [
        _with_courses(facts, node, view, extent.cores_by_node.get(node.node)) for node, view in rows[:shown]
    ]
    return (*with_courses, *(view for _, view in rows[shown:]))


def _with_courses(facts: JobFacts, node: NodeFacts, view: NodeView, cores: int | None) -> NodeView:
    return msgspec.structs.replace(
        view,
        cpu_course=_course(facts, node, "cpu_cores", BinValue.MEAN, cores),
        memory_course=_course(facts, node, "memory_bytes", BinValue.HIGH, view.memory.asked),
    )


def _is_troubled(node: NodeFacts) -> bool:
    return bool(node.totals and node.totals.oom_kills) or node.state in (NodeState.UNHEARD, NodeState.SILENT)


def _node_view(node: NodeFacts, extent: RunExtent) -> NodeView:
    return NodeView(
        name=node.node,
        samples=node.samples if node.totals or node.samples else None,
        cpu=usage.node_cpu(node, extent.core_s_of(node.node)),
        memory=usage.node_memory(node, extent.memory_per_node_bytes),
        io=usage.node_io(node),
        pressure=usage.node_pressure(node, extent.ran_s),
        oom_kills=node.totals.oom_kills if node.totals else None,
        pids_peak=node.totals.pids_peak if node.totals else None,
        slot=node.slot,
        unseen_s=node.unseen_s or 0.0,
    )


def _course(
    facts: JobFacts, node: NodeFacts, column: str, part: BinValue, whole: float | None
) -> tuple[float | None, ...]:
    """A sparkline's points as shares of what the node gave, else of its own highest value."""
    if node.profile is None or facts.start_ns is None:
        return ()
    grid = grid_for([node.profile], facts.start_ns, facts.end_ns or facts.as_of_ns)
    values = on_grid(node.profile, column, grid, part) if grid else array("f")
    of = whole or max(values, default=0.0)
    if of <= 0:
        return ()
    return tuple(round(value / of, 4) if value >= 0 else None for value in shrink(values, COURSE_POINTS))


def _charts(
    facts: JobFacts,
    extent: RunExtent,
    run_nodes: Sequence[NodeFacts],
    views: Sequence[NodeView],
    waited_s: float | None,
    progress: TaskCourse | None,
) -> Charts | None:
    if facts.start_ns is None or not run_nodes:
        return None
    limits = limits_of(extent.cores_by_node, [view.memory.asked for view in views])
    span = (facts.start_ns, max(facts.end_ns or facts.as_of_ns, facts.start_ns + 1))
    return build_charts(
        run_nodes,
        [view.name for view in views if view.odd],
        limits,
        span,
        waited_s=waited_s or 0.0,
        has_ended=facts.end_ns is not None,
        is_live=facts.is_live,
        progress=progress,
    )


def _run_link(run: RunFacts, facts: JobFacts) -> RunLink:
    ended_ns = run.end_ns if run.end_ns is not None else (None if run.state.has_ended else facts.as_of_ns)
    return RunLink(
        run=run.number,
        state=run.state,
        state_text=run.label,
        started_ns=run.start_ns,
        ran_s=_seconds(run.start_ns, ended_ns),
    )
