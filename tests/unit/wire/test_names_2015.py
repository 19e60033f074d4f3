"""The fields of 2015: searches of that time find a job's start and end, and our own fields stay as they are."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from slurmlens.events import AnyEvent, JobEnd, JobStart
from slurmlens.wire import ecs
from slurmlens.wire.names_2015 import Fields2015, fields_2015, with_fields_2015
from testkit.event_samples import events, one_of_each

OLD_NAMES = {
    "@version",
    "type",
    "logsource",
    "program",
    "message",
    "slurm_jobid",
    "slurm_node_list",
    "slurm_job_exit_code",
}


def documents() -> list[dict[str, Any]]:
    return [json.loads(with_fields_2015(ecs.encode(event), event)) for event in one_of_each()]


def test_documents_with_the_old_fields_are_as_reviewed(golden: Callable[[str, str], None]) -> None:
    kept = [{name: value for name, value in one.items() if name in OLD_NAMES} for one in documents()]
    golden("fields-2015.json", json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


@given(events())
def test_what_was_there_without_them_is_there_with_them_and_reads_back_as_the_event(event: AnyEvent) -> None:
    plain = ecs.encode(event)
    line = with_fields_2015(plain, event)
    assert b"\n" not in line
    assert ecs.decode(line) == event
    added = {name: value for name, value in json.loads(line).items() if name not in json.loads(plain)}
    assert {name: value for name, value in json.loads(line).items() if name not in added} == json.loads(plain)
    assert set(added) <= OLD_NAMES
    assert all(isinstance(value, str) for value in added.values())
    assert bool(added) is isinstance(event, JobStart | JobEnd)


def matches(document: dict[str, Any], query: str) -> bool:
    """Lucene as far as the queries of 2015 go: FIELD:VALUE joined by AND, a phrase, and a * at its end."""
    for clause in query.split(" AND "):
        name, _, value = clause.partition(":")
        wanted = re.escape(value.strip('"').removesuffix("*"))
        if not re.match(wanted if value.strip('"').endswith("*") else f"{wanted}$", str(document.get(name, ""))):
            return False
    return True


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ('program:slurmd AND message:"Launching batch*"', [JobStart]),
        ("program:slurmd AND slurm_jobid:17", [JobStart, JobEnd]),
        ("type:syslog", [JobStart, JobEnd]),
        ("slurm_jobid:18", []),
    ],
)
def test_the_queries_of_2015_find_a_jobs_start_and_end(query: str, found: list[type[AnyEvent]]) -> None:
    hits = [type(event) for event, one in zip(one_of_each(), documents(), strict=True) if matches(one, query)]
    assert hits == found


def test_what_is_not_known_is_not_there() -> None:
    start = one_of_each()[0]
    assert isinstance(start, JobStart)
    assert isinstance(old := fields_2015(start), Fields2015)
    assert '"slurm_job_exit_code"' not in with_fields_2015(b"{}", start).decode()
    assert old.message == "Launching batch job 17 for UID 2000"
