#!/usr/bin/env python3
"""Writes docs/events.md from the types of the events; a test compares the two.

Run it after a change to `slurmlens/events.py` or `slurmlens/wire/ecs.py`. The types say what stands where; what a field
means that its name does not say stands in `TEXTS` below, and a field without a text stops the program.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from msgspec import inspect as types

from slurmlens import events
from slurmlens.events import KIND_OF, SCHEMA_VERSION, Event, FigureSource, Witness
from slurmlens.wire import ecs
from slurmlens.wire.names_2015 import Fields2015

PAGE = Path(__file__).with_name("events.md")
PARTS = (
    events.JobIdentity,
    events.Totals,
    events.StepTotals,
    events.ExitCount,
    events.StepProgram,
    events.Figure,
    events.Profile,
    events.Point,
    events.DroppedLines,
    events.TaskProgress,
    events.NodeReading,
    events.CollectorTrouble,
    events.GpuState,
    events.Outsider,
    events.GpuHolding,
    events.Package,
)

TEXTS = {
    "Event.schema": "version of this page's types; a reader refuses another one",
    "Event.id": "unique for ever; everything downstream is idempotent by it",
    "Event.time_ns": "when it happened, by the node's clock",
    "Event.boot_id": "the kernel's name for this boot of the node",
    "Event.boottime_ns": "order of events within one boot, whatever happens to the clock",
    "Event.cluster": "Slurm's ClusterName",
    "Event.node": "Slurm's NodeName",
    "sighting": "one run of one job as this node saw it; joins a job's events",
    "job": "who it is",
    "witness": "who told",
    "slot": "the job's place in carbon's tree, `slots.<slot>`; null: none was free, it is in the sum of the rest",
    "job_id": "as squeue shows it; each array task has its own",
    "profile": "its course; null where nothing was measured, or where only `job-profile` events told of it",
    "start_ns": "begin",
    "end_ns": "end",
    "start_witness": "who reported the begin",
    "end_witness": "who reported the end",
    "unseen_s": "time between begin and end in which no daemon watched",
    "totals": "what it used here",
    "version": "release of the daemon",
    "interval_s": "time between two samples",
    "running": "job id and sighting of every job here now",
    "dropped": "by stream and reason",
    "DroppedLines.stream": "events or metrics",
    "DroppedLines.reason": "age, spool_limit, memory_limit, too_large, corrupt, disk_lost or stopped",
    "DroppedLines.lines": "in all",
    "DroppedLines.since_ns": "when the counting began; names the count",
    "tasks": "those that said something since the last such event",
    "TaskProgress.time_ns": "when it last said so",
    "TaskProgress.done": "in units of its own: iterations, time steps, files",
    "TaskProgress.total": "null: it does not know",
    "TaskProgress.values": "what it told beside, by its names for them",
    "readings": "the newest figures of the node's collectors, see [metrics](metrics.md)",
    "troubles": "collectors that do not tell all they could",
    "NodeReading.name": "`<collector>.<figure>`",
    "NodeReading.of": "of which device, mount point, interface, port or sensor; empty: of the node",
    "NodeReading.value": "in the figure's unit",
    "CollectorTrouble.collector": "its name",
    "CollectorTrouble.problem": "`failed: …`, `off: cost`, `off: failures`, `hangs`",
    "gpus": "every GPU and MIG instance",
    "holdings": "what each job made of each GPU that it has",
    "GpuState.uuid": "the driver's name for it, the same for ever",
    "GpuState.pci": "its address on the bus",
    "GpuState.minor": "the number of its device file",
    "GpuState.model": "",
    "GpuState.part_of": "of a MIG instance: the UUID of its GPU",
    "GpuState.is_split": "it has MIG instances, which are what jobs get",
    "GpuState.problem": "why it tells nothing: `gone`, `it does not answer`, `the driver does not answer`, `hangs`",
    "GpuState.utilisation_ratio": "share of time anything ran on it",
    "GpuState.memory_busy_ratio": "share of time its memory was read or written",
    "GpuState.memory_used_bytes": "",
    "GpuState.memory_total_bytes": "",
    "GpuState.power_watts": "",
    "GpuState.energy_joules": "since the driver was loaded",
    "GpuState.temperature_celsius": "",
    "GpuState.clock_hertz": "of its processors, now",
    "GpuState.clock_max_hertz": "at most",
    "GpuState.memory_clock_hertz": "",
    "GpuState.throttles": "what takes speed away now: power cap, heat, power brake",
    "GpuState.ecc_corrected_count": "memory errors corrected in its life",
    "GpuState.ecc_uncorrected_count": "memory errors not corrected in its life",
    "GpuState.pcie_replays_count": "",
    "GpuState.nvlink_errors_count": "CRC errors and replays of all its links",
    "GpuState.xid": "the driver's last error number since the daemon began; 0: none",
    "GpuState.xids": "how many there were",
    "GpuState.outsiders": "jobs that compute there although it was given to others",
    "GpuState.strangers": "users, by number, whose processes compute there and belong to no job",
    "MachineState.outsiders": "users whose processes here belong to no job, for operators alone",
    "Outsider.uid": "the user's number",
    "Outsider.cpu_cores": "cores that these processes keep busy; null at the first look",
    "Outsider.memory_bytes": "",
    "Outsider.processes": "processes and threads",
    "GpuHolding.uuid": "which GPU",
    "GpuHolding.by": "how it is known: `cgroup` (devices), `hook` (Slurm's numbers), `processes` (what runs there)",
    "GpuHolding.since_ns": "first seen with it",
    "GpuHolding.told_ns": "as of when",
    "GpuHolding.seen_s": "time in which the GPU told how busy it was",
    "GpuHolding.busy_s": "of it the time in which it was, weighted: divided by `seen_s` the mean utilisation",
    "GpuHolding.idle_s": "how long it has done nothing by now",
    "GpuHolding.memory_peak_bytes": "highest seen; of a shared GPU the job's own processes'",
    "GpuHolding.energy_joules": "null: the GPU counts none",
    "GpuHolding.processes": "of the job's, on it now",
    "GpuHolding.is_shared": "another job had it at the same time",
    "GpuHolding.has_ended": "the job is over",
    "source": "`dpkg`, `rpm`, `python`, `modules`, `spack` or `machine` (kernel, drivers, firmware)",
    "packages": "everything of this source, sorted; 20,000 at most",
    "count": "how many there are, also where they are too many to be told",
    "problem": "why they are not known; what was told before stays",
    "Package.name": "",
    "Package.version": "",
    "Package.place": "its architecture, environment, tree of modules, or Spack's root and hash",
    "step": '`"0"`, `"1"` …, `batch`, `extern`, `interactive`: the step whose cgroup the process is in',
    "rank": "which task of the step it says it is",
    "text": "what it said",
    "JobIdentity.sluid": "Slurm's own unique id of a job, from 25.11 on",
    "JobIdentity.restart_count": "as the hook said it; the Epilog of a requeued run says the next one",
    "JobIdentity.user_id": "",
    "JobIdentity.user_name": "",
    "JobIdentity.group_id": "",
    "JobIdentity.account": "",
    "JobIdentity.partition": "",
    "JobIdentity.qos": "told by Slurm 26.05",
    "JobIdentity.job_name": "no hook on a node tells it before the hub asks the scheduler",
    "JobIdentity.array_job_id": "",
    "JobIdentity.array_task_id": "",
    "JobIdentity.het_job_id": "the heterogeneous job that this is a component of",
    "JobIdentity.het_job_offset": "",
    "JobIdentity.node_list": "hostlist of the whole job",
    "JobIdentity.node_count": "",
    "JobIdentity.task_count": "",
    "JobIdentity.gpus": "this node's GPUs by Slurm's own numbers, `0,3`; absent where the hook told none",
    "JobIdentity.cpus_per_node": "in Slurm's short form, `4(x2)`",
    "JobIdentity.start_time_s": "Slurm's own, whole seconds; from 24.11 on",
    "JobIdentity.end_time_s": "Slurm's own; at the Prolog the time limit's end",
    "JobIdentity.exit_code": "of the batch script; at the Epilog only",
    "JobIdentity.exit_signal": "0: ended by itself",
    "JobIdentity.derived_exit_code": "the worst step's; 128 + signal for one that was killed",
    "JobIdentity.cut": "fields whose text is only the beginning; absent where there are none",
    "samples": "how often its counters were read",
    "Totals.cpu_s": "CPU time of all its processes, the dead ones too",
    "Totals.cpu_user_s": "",
    "Totals.cpu_system_s": "",
    "Totals.cpu_throttled_s": "time withheld by a quota",
    "Totals.memory_peak_bytes": "page cache included",
    "Totals.memory_limit_bytes": "",
    "oom_kills": "processes killed for memory",
    "Totals.pids_peak": "processes and threads",
    "Totals.io_read_bytes": "from block devices",
    "Totals.io_written_bytes": "to block devices",
    "Totals.pressure_cpu_some_s": "time in which some task waited for a CPU",
    "Totals.pressure_memory_some_s": "… for memory",
    "Totals.pressure_io_some_s": "… for I/O",
    "Totals.steps": "the same by step",
    "StepTotals.step": '`"0"`, `"1"` …, `batch`, `extern`, `interactive`',
    "StepTotals.cpu_s": "",
    "StepTotals.memory_peak_bytes": "",
    "StepTotals.cpu_user_s": "",
    "StepTotals.cpu_system_s": "",
    "StepTotals.io_read_bytes": "from block devices; cgroup v2",
    "StepTotals.io_written_bytes": "to block devices; cgroup v2",
    "StepTotals.started_ns": "when slurmstepd began it",
    "StepTotals.ended_ns": "when its last task was waited for",
    "StepTotals.task_count": "its tasks on this node",
    "StepTotals.exits": "how its tasks ended, 16 ways at most",
    "StepTotals.tag": "the user's SLURMLENS_TAG",
    "StepTotals.command": "the program that srun started, by its name alone; told by SrunProlog",
    "StepTotals.modules": "environment modules that were loaded when it began; told by TaskProlog, 100 characters",
    "StepTotals.container": "its container by the last part of its name; told by TaskProlog",
    "StepTotals.programs": "those that were seen to run, the one that used most CPU time first, 8 at most",
    "StepProgram.name": "15 characters at most, never its command line",
    "StepProgram.processes": "the most of them at one time",
    "StepProgram.threads": "the most of them at one time, of all its processes",
    "JobMessage.notify": "the user's SLURMLENS_NOTIFY: whom to tell of what",
    "ExitCount.code": "exit code, 0 where a signal ended it",
    "ExitCount.signal": "number of the signal, 0 for none",
    "ExitCount.tasks": "how many ended so",
    "ExitCount.first_tasks": "the first 8 of them, by their number in the whole step",
    "Figure.value": "",
    "Figure.source": "how it came about",
    "Figure.complete": "false: part of the job went unseen, the true figure is larger",
    "Profile.start_ns": "begin of the first bin",
    "Profile.width_s": "of every bin",
    "Profile.columns": "name of a metric (docs/metrics.md) to its bins, all of the same number",
    "Point.low": "least value in the bin",
    "Point.mean": "",
    "Point.high": "greatest",
}

INTRODUCTION = f"""# Events

What leaves a node, field by field. This page is generated from the types (`docs/generate_events.py`).

Every event is one line of JSON in the form of the Elastic Common Schema {ecs.ECS_VERSION}, the same for hub, file and
every other receiver. Below `slurm` stands the event itself, whole, with everything this page lists. The rest is a view
of it by ECS's names for those who search by them; readers of ours do not look at it:

| ECS field | from |
| --- | --- |
| `@timestamp` | `slurm.time_ns`, RFC 3339 in UTC with nanoseconds |
| `event.id`, `event.sequence` | `slurm.id`, `slurm.boottime_ns` |
| `event.action`, `event.kind`, `event.category`, `event.type`, `event.dataset` | `slurm.kind`, see below |
| `host.name`, `host.boot.id` | `slurm.node`, `slurm.boot_id` |
| `user.id`, `user.name`, `user.group.id` | `slurm.job`, where the user is known |

Delivery is at least once: receivers must be idempotent by `slurm.id`. Order within a node is (`slurm.boot_id`,
`slurm.boottime_ns`). What is null or absent is *not known*, never 0 or empty. Names ending in `_ns` are nanoseconds
since the epoch, but for `boottime`; `_s` seconds."""

VERSIONS = f"""`slurm.schema` says by which of these pages a document is to be read. This is schema
{SCHEMA_VERSION}; this release writes it and reads no other.

* Within a schema only optional fields are added. A reader passes over fields that it does not know, anywhere.
* A field keeps name, type, unit and meaning for the life of a schema. One that has to change or to go makes the next
  schema; so does a field that becomes required.
* A new kind of event, or a new word in a list of words, may come within a schema. A reader that does not know it
  refuses that line alone, with the reason `field`, and counts it: update the hub before the nodes.
* A document of another schema is refused with the reason `version`, whatever else is in it. A release that raises the
  schema still reads the one before, so that hub and nodes need not be updated in one moment.
* On the road to a hub that says so, and nowhere else, lines with a profile are of schema 2: the same page, but the
  profile's columns lie packed beside the lines (`docs/specs/hub-api.md`, "Packed profiles"). Every other receiver, and
  a hub of an earlier release, gets schema 1.
* The part outside `slurm` is ECS's and changes with `ecs.version`; nothing of ours is read from it."""

FIELDS_2015 = """Searches and boards of the ancestor look for names that ECS has not. With `[events]
fields_2015 = true` in the node's settings, the events of the kinds `job-start` and `job-end` also carry these, beside
`@timestamp`. All are strings. Other kinds had no counterpart in 2015 and carry none.

{table}

`program:slurmd AND message:"Launching batch*"` finds every start, `slurm_jobid:17` everything told of job 17,
`type:syslog` both kinds. One document comes from each node of a job, in 2015 only from the first.

Not written: `host`, a string then and an object in ECS, which one index cannot hold both; `slurm_task`, `slurm_stepid`,
`slurm_shed_usec`, which these events do not know; `facility`, `severity` and the rest of syslog, which they never had.
Lines of `program:slurm_out` are a job's own output, which reaches the store by syslog and not through these events."""

TEXTS_2015 = {
    "version": "`1`",
    "type": "`syslog`: it then meant every event that was no metric",
    "logsource": "the node",
    "program": "`slurmd`, whose words these were",
    "message": "`Launching batch job 17 for UID 2000`, `[17] done with job`",
    "slurm_jobid": "the job id",
    "slurm_node_list": "hostlist of the whole job",
    "slurm_job_exit_code": "of the batch script; `job-end` only",
}


def main() -> None:
    PAGE.write_text(page())


def page() -> str:
    """The whole page."""
    return "\n\n".join(_paragraphs()) + "\n"


def _paragraphs() -> Iterator[str]:
    yield INTRODUCTION
    yield "## Versions"
    yield VERSIONS
    yield "## Kinds"
    yield _table(["`slurm.kind`", "event.kind", "category", "type", "dataset"], _kind_rows())
    yield "## In every event"
    yield _fields(Event, inherited=True)
    for event_type, kind in KIND_OF.items():
        yield f"## `{kind.value}`"
        yield _described(event_type)
        yield _fields(event_type)
    yield "## Parts"
    for part in PARTS:
        yield f"### {part.__name__}"
        yield _described(part)
        yield _fields(part)
    yield "### Words"
    yield f"**witness**: {_words(Witness)}. **figure source**, from exact to guessed: {_words(FigureSource)}."
    yield "## The fields of 2015"
    yield FIELDS_2015.format(table=_table(["field", "value"], _rows_2015()))


def _rows_2015() -> Iterable[Iterable[str]]:
    for field in msgspec.structs.fields(Fields2015):
        if field.name not in TEXTS_2015:
            raise SystemExit(f"docs/generate_events.py: TEXTS_2015 lacks {field.name}")
        yield f"`{field.encode_name}`", TEXTS_2015[field.name]


def _kind_rows() -> Iterable[Iterable[str]]:
    for kind in KIND_OF.values():
        category = ecs.CATEGORY_OF[kind]
        yield f"`{kind.value}`", category.kind, ", ".join(category.category), ", ".join(category.type), category.dataset


def _described(part: type) -> str:
    """Its docstring: written for the one who reads the code, true for the one who reads this."""
    text = inspect.getdoc(part)
    if not text:
        raise SystemExit(f"{part.__name__} has no docstring")
    return text


def _fields(part: type[msgspec.Struct], *, inherited: bool = False) -> str:
    common = () if inherited else {field.name for field in msgspec.structs.fields(Event)}
    info = types.type_info(part)
    assert isinstance(info, types.StructType)
    is_event = issubclass(part, Event)
    rows = [
        (f"`{field.name}`", _type(field.type), "yes" if field.required or is_event else "", _text(part, field.name))
        for field in info.fields
        if not (is_event and field.name in common)
    ]
    note = "\n\nWritten as an array of these, in this order." if info.array_like else ""
    return _table(["field", "type", "always there", "meaning"], rows) + note


def _text(part: type, name: str) -> str:
    for key in (f"{part.__name__}.{name}", name):
        if key in TEXTS:
            return TEXTS[key]
    raise SystemExit(f"docs/generate_events.py: TEXTS lacks {part.__name__}.{name}")


def _type(kind: types.Type) -> str:
    """A type as a reader of JSON knows it."""
    match kind:
        case types.UnionType(types=members):
            return " or ".join(_type(member) for member in members)
        case types.IntType(ge=least, le=most):
            bounds = "" if least is None else f" ≥ {least}" + (f", ≤ {most}" if most and most < 2**62 else "")
            return f"integer{bounds}"
        case types.StrType(min_length=least, max_length=most):
            return "string" if most is None else f"string of {least} to {most} characters"
        case types.FloatType():
            return "number"
        case types.BoolType():
            return "boolean"
        case types.NoneType():
            return "null"
        case types.EnumType(cls=choices):
            return " or ".join(json.dumps(choice.value) for choice in choices)
        case types.StructType(cls=struct):
            return f"[{struct.__name__}](#{struct.__name__.lower()})"
        case types.ListType(item_type=item) | types.VarTupleType(item_type=item):
            return f"array of {_type(item)}"
        case types.TupleType(item_types=items):
            return f"[{', '.join(_type(item) for item in items)}]"
        case types.DictType(value_type=value):
            return f"object of {_type(value)}"
    raise SystemExit(f"docs/generate_events.py: no words for {kind}")


def _words(choices: type) -> str:
    return ", ".join(f"`{choice.value}`" for choice in choices)  # type: ignore[attr-defined]


def _table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heading = list(heading)
    lines = [heading, ["---"] * len(heading), *(list(row) for row in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


if __name__ == "__main__":
    main()
