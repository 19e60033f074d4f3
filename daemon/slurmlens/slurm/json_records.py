"""Slurm's JSON to records: `squeue`, `sacct -D`, `sinfo` and `scontrol show`, of 22.05 and of 24.11 and later.

Owns which field of which command means what; `json_values` owns the shapes. Pure: bytes in, records out.
Fed by `source`; feeds the hub. A document that is no such JSON is a DecodeError; a job in it that can't be read is left
out and counted (`Decoded.refused`), and spoils no other.

22.05's `sacct --json` says exit code 0 for every job, failed ones too (run): there it counts as not told, and `source`
uses sacct's text instead.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from slurmlens.errors import DecodeError
from slurmlens.slurm.amounts import tres_amounts
from slurmlens.slurm.hostlist import expand
from slurmlens.slurm.json_values import MIB, exit_status, minutes, number, objects, positive, table, text, tres, words
from slurmlens.slurm.records import (
    Decoded,
    JobRecord,
    JobState,
    NodeRecord,
    PartitionRecord,
    RecordSource,
    StepRecord,
    with_steps,
)
from slurmlens.slurm.states import happened_times, parse_state


def queue_jobs(document: bytes) -> Decoded[JobRecord]:
    """Jobs of `squeue --json` (or `scontrol show jobs --json`, which is the same)."""
    return Decoded.of(_list_of(document, "jobs"), _queue_job)


def accounted_jobs(document: bytes) -> Decoded[JobRecord]:
    """Executions of `sacct -D --json`, with their steps."""
    return Decoded.of(_list_of(document, "jobs"), _accounted_job)


def nodes(document: bytes) -> Decoded[NodeRecord]:
    """Nodes of `scontrol show nodes --json`, or of 22.05's `sinfo --json`."""
    return Decoded.of(_list_of(document, "nodes"), _node)


def partitions(document: bytes) -> Decoded[PartitionRecord]:
    """Partitions of `scontrol show partitions --json`."""
    return Decoded.of(_list_of(document, "partitions"), _partition)


def _list_of(document: bytes, key: str) -> tuple[Mapping[str, Any], ...]:
    decoded = _parsed(document)
    if not isinstance(decoded, dict) or not isinstance(decoded.get(key), list):
        raise DecodeError(f"the scheduler's answer has no list {key!r}", reason="shape")
    return objects(decoded[key])


def _parsed(document: bytes) -> Any:
    try:
        return msgspec.json.decode(document)
    except (msgspec.DecodeError, RecursionError):
        pass
    try:  # Slurm writes through json-c, which spells some floats NaN or Infinity: no JSON, and no reason to be blind
        return json.loads(document, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"the scheduler's answer is no JSON: {error}") from error


def _job_id(value: Any) -> int:
    job_id = positive(value)
    if job_id is None:
        raise DecodeError(f"job id {value!r} is no positive number", reason="job-id")
    return job_id


def _queue_job(job: Mapping[str, Any]) -> JobRecord:
    state = parse_state(words(job.get("job_state")))
    code, signal = exit_status(job.get("exit_code"))
    derived_code, derived_signal = exit_status(job.get("derived_exit_code"))
    told_exit = state.state.has_ended or bool(code or signal)  # 0 of a job that waits or runs is not an exit code yet
    array_job_id, het_job_id = positive(job.get("array_job_id")), positive(job.get("het_job_id"))
    allocated = tres_amounts(text(job.get("tres_alloc_str")))
    requested = tres_amounts(text(job.get("tres_req_str")))
    nodes = expand(text(job.get("nodes")))
    start_s, end_s = positive(job.get("start_time")), positive(job.get("end_time"))
    times = happened_times(state.state, bool(nodes), start_s, end_s)
    return JobRecord(
        job_id=_job_id(job.get("job_id")),
        source=RecordSource.QUEUE,
        state=state.state,
        state_flags=state.flags,
        cluster=text(job.get("cluster")),
        sluid=text(table(job.get("step_id")).get("sluid")),
        name=text(job.get("name")),
        user=text(job.get("user_name")),
        user_id=number(job.get("user_id")),
        group=text(job.get("group_name")),
        group_id=number(job.get("group_id")),
        account=text(job.get("account")),
        partition=text(job.get("partition")),
        qos=text(job.get("qos")),
        reason=_reason(job.get("state_reason")),
        reason_text=text(job.get("state_description")),
        exit_code=code if told_exit else None,
        exit_signal=signal if told_exit else None,
        derived_exit_code=derived_code if told_exit else None,
        derived_exit_signal=derived_signal if told_exit else None,
        submit_s=positive(job.get("submit_time")),
        eligible_s=positive(job.get("eligible_time")),
        expected_start_s=times.expected_start_s,
        start_s=times.start_s,
        end_s=times.end_s,
        time_limit_s=minutes(job.get("time_limit")),
        nodes=nodes,
        node_count=positive(job.get("node_count")),
        cpu_count=positive(job.get("cpus")),
        task_count=positive(job.get("tasks")),
        tres=allocated,
        memory_bytes=allocated.get("mem"),
        requested_memory_bytes=requested.get("mem"),
        restart_count=number(job.get("restart_cnt")),
        array_job_id=array_job_id,
        array_task_id=number(job.get("array_task_id")) if array_job_id else None,
        array_tasks=text(job.get("array_task_string")),
        het_job_id=het_job_id,
        het_job_offset=number(job.get("het_job_offset")) if het_job_id else None,
        flags=words(job.get("flags")),
    )


def _accounted_job(job: Mapping[str, Any]) -> JobRecord:
    told = table(job.get("state"))
    state = parse_state(words(told.get("current")))
    tells_exit = not isinstance(told.get("current"), str)  # see the module's docstring
    code, signal = exit_status(job.get("exit_code")) if tells_exit else (None, None)
    derived_code, derived_signal = exit_status(job.get("derived_exit_code")) if tells_exit else (None, None)
    time, array, het = table(job.get("time")), table(job.get("array")), table(job.get("het"))
    array_job_id, het_job_id = positive(array.get("job_id")), positive(het.get("job_id"))
    resources = table(job.get("tres"))
    allocated, requested = tres(resources.get("allocated")), tres(resources.get("requested"))
    ended = state.state.has_ended
    nodes = expand(text(job.get("nodes")))
    times = happened_times(state.state, bool(nodes), positive(time.get("start")), positive(time.get("end")))
    record = JobRecord(
        job_id=_job_id(job.get("job_id")),
        source=RecordSource.ACCOUNTING,
        state=state.state,
        state_flags=state.flags,
        cluster=text(job.get("cluster")),
        sluid=text(job.get("sluid")),
        name=text(job.get("name")),
        user=text(job.get("user")) or text(table(job.get("association")).get("user")),
        group=text(job.get("group")),
        account=text(job.get("account")),
        partition=text(job.get("partition")),
        qos=text(job.get("qos")),
        reason=_reason(told.get("reason")),
        exit_code=code if ended else None,
        exit_signal=signal if ended else None,
        derived_exit_code=derived_code if ended else None,
        derived_exit_signal=derived_signal if ended else None,
        cancelled_by=text(job.get("kill_request_user")) if state.state is JobState.CANCELLED else None,
        submit_s=positive(time.get("submission")),
        eligible_s=positive(time.get("eligible")),
        expected_start_s=times.expected_start_s,
        start_s=times.start_s,
        end_s=times.end_s,
        time_limit_s=minutes(time.get("limit")),
        suspended_s=positive(time.get("suspended")),
        nodes=nodes,
        node_count=positive(job.get("allocation_nodes")),
        cpu_count=allocated.get("cpu") or positive(table(job.get("required")).get("CPUs")),
        tres=allocated,
        memory_bytes=allocated.get("mem"),
        requested_memory_bytes=requested.get("mem"),
        restart_count=number(job.get("restart_cnt")),
        array_job_id=array_job_id,
        array_task_id=number(array.get("task_id")) if array_job_id else None,
        array_tasks=text(array.get("task")),
        het_job_id=het_job_id,
        het_job_offset=number(het.get("job_offset")) if het_job_id else None,
        flags=words(job.get("flags")),
    )
    return with_steps(record, tuple(_step(step, tells_exit) for step in objects(job.get("steps"))))


def _step(step: Mapping[str, Any], tells_exit: bool) -> StepRecord:
    named = table(step.get("step"))
    name = str(named.get("id", "")).rpartition(".")[2]
    state = parse_state(words(step.get("state")))
    code, signal = exit_status(step.get("exit_code")) if tells_exit and state.state.has_ended else (None, None)
    time, nodes = table(step.get("time")), table(step.get("nodes"))
    return StepRecord(
        step=name or "?",
        state=state.state,
        name=text(named.get("name")),
        exit_code=code,
        exit_signal=signal,
        start_s=positive(time.get("start")),
        end_s=positive(time.get("end")),
        nodes=words(nodes.get("list")),
        task_count=positive(table(step.get("tasks")).get("count")),
    )


def _reason(value: Any) -> str | None:
    reason = text(value)
    return None if reason in (None, "None") else reason


def _node(node: Mapping[str, Any]) -> NodeRecord:
    name = text(node.get("name"))
    if name is None:
        raise DecodeError("a node without a name", reason="node-name")
    states = tuple(word.upper() for word in words(node.get("state")) + words(node.get("state_flags")))
    memory = number(node.get("real_memory"))
    return NodeRecord(
        name=name,
        address=text(node.get("address")),
        host_name=text(node.get("hostname")),
        state=states[0] if states else None,
        state_flags=states[1:],
        reason=text(node.get("reason")),
        partitions=words(node.get("partitions")),
        cpu_count=number(node.get("cpus")),
        memory_bytes=None if memory is None else memory * MIB,
    )


def _partition(partition: Mapping[str, Any]) -> PartitionRecord:
    name = text(partition.get("name"))
    if name is None:
        raise DecodeError("a partition without a name", reason="partition-name")
    listed = table(partition.get("nodes")).get("configured") or partition.get("nodes")
    states = words(table(partition.get("partition")).get("state")) or words(partition.get("state"))
    limit = table(partition.get("maximums")).get("time", partition.get("max_time_limit"))
    return PartitionRecord(
        name=name,
        state=states[0] if states else None,
        nodes=expand(text(listed)),
        is_default="DEFAULT" in {word.upper() for word in words(partition.get("flags"))},
        time_limit_s=minutes(limit),
    )
