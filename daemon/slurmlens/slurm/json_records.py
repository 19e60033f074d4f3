"""Slurm's JSON to records: `squeue`, `sacct -D` and `scontrol show`, of 22.05 and later.

Owns what becomes of an entry; which member means what is `job_fields`' for jobs and this module's for steps, nodes and
partitions, the shapes are `json_values`', the pieces `json_stream`'s. The release that answers says which shape an exit
code has (`releases`). Pure: pieces of bytes in, records out. Fed by `source`; feeds the hub.

A document that is no such JSON, or in which Slurm tells errors instead of entries, is a DecodeError. An entry that
can't be read is left out and counted (`Decoded.refused`), a field that can't be made out is not known and counted
(`Decoded.unknown`): neither spoils another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from slurmlens.errors import DecodeError
from slurmlens.slurm.amounts import MIB
from slurmlens.slurm.job_fields import RecordTeller, member, node_names, read_job, take
from slurmlens.slurm.json_stream import JsonList
from slurmlens.slurm.json_values import (
    MAX_TEXT_CHARS,
    cleaned,
    exit_object,
    known,
    minutes,
    number,
    positive,
    text,
    time_s,
    wait_status,
    words,
)
from slurmlens.slurm.pieces import Pieces
from slurmlens.slurm.records import (
    Decoded,
    JobRecord,
    JobState,
    NodeRecord,
    PartitionRecord,
    Record,
    RecordSource,
    StepRecord,
    with_steps,
)
from slurmlens.slurm.releases import NEWEST, ExitShape, answers_of
from slurmlens.slurm.states import parse_state


def queue_jobs(pieces: Pieces, release: tuple[int, int] = NEWEST) -> Decoded[JobRecord]:
    """Jobs of `squeue --json` (or `scontrol show jobs --json`, which is the same)."""
    exit_of = exit_object if answers_of(release).queue_exit is ExitShape.OBJECT else wait_status
    return _entries(pieces, "jobs", lambda job, unknown: _queue_job(job, exit_of, unknown))


def accounted_jobs(pieces: Pieces) -> Decoded[JobRecord]:
    """Executions of `sacct -D --json` with their steps, of a release whose exit codes are true."""
    return _entries(pieces, "jobs", _accounted_job)


def nodes(pieces: Pieces) -> Decoded[NodeRecord]:
    """Nodes of `scontrol show nodes --json`."""
    return _entries(pieces, "nodes", _node)


def partitions(pieces: Pieces) -> Decoded[PartitionRecord]:
    """Partitions of `scontrol show partitions --json`."""
    return _entries(pieces, "partitions", _partition)


def _entries(pieces: Pieces, key: str, read: Callable[[Any, Counter[str]], Record]) -> Decoded[Record]:
    entries = JsonList(pieces, key)
    decoded = Decoded.of(entries, read)
    errors = entries.members.get("errors")
    if not errors:
        return decoded
    if not decoded.records:
        raise DecodeError(f"the scheduler answers with an error: {_said(errors)}", reason="error")
    return decoded._replace(refused=decoded.refused + 1)  # what it could not tell is missing


def _said(errors: Any) -> str:
    """The errors of an answer, in words."""
    listed = errors if isinstance(errors, list) else [errors]
    found = [known(text(member(one, "description")), None) or known(text(member(one, "error")), None) for one in listed]
    return cleaned("; ".join(filter(None, found)) or repr(errors))[:MAX_TEXT_CHARS]


def _exit_fields(entry: Any, exit_of: Callable[[Any], Any], unknown: Counter[str]) -> dict[str, int | None]:
    """Exit code and signal, the job's own and the highest of its steps."""
    fields: dict[str, int | None] = {}
    for prefix in ("", "derived_"):
        name = f"{prefix}exit_code"
        status = take(unknown, name, exit_of(member(entry, name)))
        fields[name] = None if status is None else status.code
        fields[f"{prefix}exit_signal"] = None if status is None else status.signal
    return fields


def _queue_job(job: Any, exit_of: Callable[[Any], Any], unknown: Counter[str]) -> JobRecord:
    def outcome(state: JobState) -> Mapping[str, Any]:
        exits = _exit_fields(job, exit_of, unknown)
        has_exit = exits["exit_code"] or exits["exit_signal"]  # 0 of a job that waits or runs is not an exit code yet
        return exits if state.has_ended or has_exit else {}

    return read_job(job, RecordTeller.QUEUE, RecordSource.QUEUE, unknown, outcome)


def _accounted_job(job: Any, unknown: Counter[str]) -> JobRecord:
    def outcome(state: JobState) -> Mapping[str, Any]:
        fields: dict[str, Any] = dict(_exit_fields(job, exit_object, unknown)) if state.has_ended else {}
        if state is JobState.CANCELLED:
            fields["cancelled_by"] = take(unknown, "cancelled_by", text(member(job, "kill_request_user")))
        if not known(text(member(job, "user")), None):
            fields["user"] = take(unknown, "user", text(member(job, "association", "user")))
        allocated = take(unknown, "cpu_count", _allocated_cpus(job))
        return fields | ({"cpu_count": allocated} if allocated else {})

    record = read_job(job, RecordTeller.ACCOUNTING, RecordSource.ACCOUNTING, unknown, outcome)
    listed = member(job, "steps")
    if not isinstance(listed, list):
        return record
    steps = (_step(step, unknown) for step in listed if isinstance(step, Mapping))
    return with_steps(record, tuple(step for step in steps if step is not None))


def _allocated_cpus(job: Any) -> Any:
    listed = member(job, "tres", "allocated")
    found = [item for item in listed if member(item, "type") == "cpu"] if isinstance(listed, list) else []
    return positive(member(found[0], "count")) if found else None


def _step(step: Mapping[str, Any], unknown: Counter[str]) -> StepRecord | None:
    """A step; None, and counted, where nothing says which one it is."""
    named = text(member(step, "step", "id"))
    if not isinstance(named, str):
        unknown["step.id"] += 1
        return None
    state = parse_state(take(unknown, "step.state", words(step.get("state")), ()))
    status = None
    if state.state.has_ended:
        status = take(unknown, "step.exit_code", exit_object(step.get("exit_code")))
    return StepRecord(
        step=named.rpartition(".")[2],
        state=state.state,
        name=take(unknown, "step.name", text(member(step, "step", "name"))),
        exit_code=None if status is None else status.code,
        exit_signal=None if status is None else status.signal,
        start_s=take(unknown, "step.start", time_s(member(step, "time", "start"))),
        end_s=take(unknown, "step.end", time_s(member(step, "time", "end"))),
        nodes=take(unknown, "step.nodes", _step_nodes(member(step, "nodes")), ()),
        task_count=take(unknown, "step.tasks", positive(member(step, "tasks", "count"))),
        cancelled_by=_step_cancelled_by(step, state.state, unknown),
    )


def _step_cancelled_by(step: Mapping[str, Any], state: JobState, unknown: Counter[str]) -> str | None:
    if state is not JobState.CANCELLED:
        return None
    return known(take(unknown, "step.cancelled_by", text(member(step, "kill_request_user"))), None) or None


def _step_nodes(value: Any) -> Any:
    """All of a step's nodes, which may be many more than flags are."""
    listed = member(value, "range")
    if listed is not None:
        return node_names(listed)
    names = member(value, "list")
    return tuple(names) if isinstance(names, list) and all(isinstance(name, str) for name in names) else ()


def _name(entry: Any, what: str) -> str:
    name = text(member(entry, "name"))
    if not isinstance(name, str):
        raise DecodeError(f"a {what} without a name", reason=f"{what}-name")
    return name


def _node(node: Any, unknown: Counter[str]) -> NodeRecord:
    name = _name(node, "node")
    states = tuple(word.upper() for word in take(unknown, "node.state", words(node.get("state")), ()))
    memory = take(unknown, "node.real_memory", number(node.get("real_memory")))
    return NodeRecord(
        name=name,
        address=take(unknown, "node.address", text(node.get("address"))),
        host_name=take(unknown, "node.hostname", text(node.get("hostname"))),
        state=states[0] if states else None,
        state_flags=states[1:],
        reason=take(unknown, "node.reason", text(node.get("reason"))),
        partitions=take(unknown, "node.partitions", words(node.get("partitions")), ()),
        reason_by=take(unknown, "node.reason_set_by_user", text(node.get("reason_set_by_user"))),
        reason_since_s=take(unknown, "node.reason_changed_at", time_s(node.get("reason_changed_at"))),
        cpu_count=take(unknown, "node.cpus", number(node.get("cpus"))),
        memory_bytes=None if memory is None else memory * MIB,
        features=take(unknown, "node.active_features", words(node.get("active_features")), ()),
        gres=take(unknown, "node.gres", text(node.get("gres"))),
        architecture=take(unknown, "node.architecture", text(node.get("architecture"))),
        operating_system=take(unknown, "node.operating_system", text(node.get("operating_system"))),
        slurm_version=take(unknown, "node.version", text(node.get("version"))),
        boot_s=take(unknown, "node.boot_time", time_s(node.get("boot_time"))),
    )


def _partition(partition: Any, unknown: Counter[str]) -> PartitionRecord:
    name = _name(partition, "partition")
    states = take(unknown, "partition.state", words(member(partition, "partition", "state")), ())
    flags = take(unknown, "partition.flags", words(partition.get("flags")), ())
    return PartitionRecord(
        name=name,
        state=states[0] if states else None,
        nodes=take(unknown, "partition.nodes", node_names(member(partition, "nodes", "configured")), ()),
        is_default="DEFAULT" in {word.upper() for word in flags},
        time_limit_s=take(unknown, "partition.time", minutes(member(partition, "maximums", "time"))),
    )
