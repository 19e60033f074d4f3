"""The keys of 2015 from today's records, and the transactions that bring them about."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.discovery.client import OPERATIONS_MAX
from slurmlens.discovery.job_keys import (
    PARTITIONS,
    changes,
    job_ids,
    job_keys,
    job_prefix,
    partition_keys,
    partition_prefix,
)
from slurmlens.slurm.records import JobRecord, JobState, NodeRecord, PartitionRecord, RecordSource

RUNNING = JobRecord(
    job_id=7,
    state=JobState.RUNNING,
    source=RecordSource.QUEUE,
    name="PingPong",
    user="anna",
    user_id=2001,
    group="physics",
    group_id=3001,
    partition="all",
    start_s=1_795_420_800,
    nodes=("compute0", "compute1", "compute3"),
)
changed = msgspec.structs.replace


def test_a_running_job_has_the_keys_of_the_prolog_of_2015() -> None:
    assert job_keys(RUNNING, "demo") == {
        "user": "anna",
        "group": "physics",
        "groupid": "3001",
        "clustername": "demo",
        "jobpartition": "all",
        "userid": "2001",
        "start": "1795420800",
        "nodelist": "compute[0-1,3]",
        "jobname": "PingPong",
    }


def test_its_end_adds_those_of_the_epilog() -> None:
    ended = changed(
        RUNNING, state=JobState.FAILED, end_s=1_795_420_860, exit_code=42, exit_signal=0, derived_exit_code=42
    )
    new = job_keys(ended, "demo").items() - job_keys(RUNNING, "demo").items()
    assert dict(new) == {"end": "1795420860", "exit_code2": "42:0", "derived_ec": "42"}


def test_a_job_that_waits_has_none_and_what_is_not_known_has_no_key() -> None:
    assert job_keys(changed(RUNNING, state=JobState.PENDING, start_s=None), "demo") == {}
    assert "group" not in job_keys(changed(RUNNING, group=None), "demo")


def test_a_partition_tells_its_nodes_and_their_cpus_where_all_are_known() -> None:
    partition = PartitionRecord(name="all", state="UP", nodes=("n0", "n1"))
    nodes = {"n0": NodeRecord(name="n0", cpu_count=4), "n1": NodeRecord(name="n1", cpu_count=8)}
    assert partition_keys(partition, nodes) == {
        "total_nodes": "2",
        "total_cpus": "12",
        "state": "UP",
        "nodes": "n[0-1]",
    }
    assert "total_cpus" not in partition_keys(partition, {"n0": nodes["n0"]})
    assert "nodes" not in partition_keys(PartitionRecord(name="empty"), {})


def test_a_partitions_name_cannot_leave_its_folder() -> None:
    assert partition_prefix("../job/7") == f"{PARTITIONS}..%2Fjob%2F7/"


def test_jobs_with_keys_are_told_from_anything_else_that_lies_there() -> None:
    assert job_ids(["slurm/job/7/", "slurm/job/x/", "slurm/job/", "slurm/job/12345678901/", "slurm/job/8"]) == {7, 8}


def applied(operations: list[dict[str, Any]], keys: dict[str, str]) -> dict[str, str]:
    """What Consul makes of a transaction."""
    made = dict(keys)
    for one in operations:
        if one["Verb"] == "set":
            made[one["Key"]] = base64.b64decode(one["Value"]).decode()
        elif one["Verb"] == "delete":
            del made[one["Key"]]
        else:
            made = {key: text for key, text in made.items() if not key.startswith(one["Key"])}
    return made


KEYS = st.dictionaries(st.sampled_from(["user", "start", "end", "nodelist"]), st.text(max_size=5))


@given(before=KEYS, wanted=KEYS, is_known=st.booleans())
def test_a_transaction_makes_what_is_wanted_of_what_is_there_and_touches_nothing_else(
    before: dict[str, str], wanted: dict[str, str], *, is_known: bool
) -> None:
    other = {"slurm/job/70/user": "x", "slurm/job/6/user": "y"}
    there = other | {job_prefix(7) + name: text for name, text in before.items()}
    operations: list[dict[str, Any]] = changes(job_prefix(7), wanted, before if is_known else None)
    assert applied(operations, there) == other | {job_prefix(7) + name: text for name, text in wanted.items()}
    assert len(operations) <= OPERATIONS_MAX
    if is_known and before == wanted:
        assert operations == []
