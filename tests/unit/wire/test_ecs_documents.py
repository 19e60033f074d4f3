"""Events to ECS documents and back: nothing is lost, nothing odd comes in, the shape is the one reviewed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.errors import DecodeError, UnsupportedVersion
from slurmlens.events import KIND_OF, SCHEMA_VERSION, AnyEvent, EventKind, JobStart
from slurmlens.wire import ecs
from testkit import event_samples

START = event_samples.one_of_each()[0]


def _document(event: AnyEvent = START) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(ecs.encode(event))
    return document


def _changed(path: str, value: object) -> bytes:
    document = _document()
    inner = document
    *folders, last = path.split(".")
    for name in folders:
        inner = inner[name]
    inner[last] = value
    return json.dumps(document).encode()


@given(event_samples.events())
def test_every_event_comes_back_as_it_went(event: AnyEvent) -> None:
    line = ecs.encode(event)
    assert b"\n" not in line
    assert ecs.decode(line) == event


def test_documents_of_all_kinds_are_as_reviewed(golden: Callable[[str, str], None]) -> None:
    documents = [json.loads(ecs.encode(event)) for event in event_samples.one_of_each()]
    golden("ecs-documents.json", json.dumps(documents, indent=1, ensure_ascii=False) + "\n")


def test_every_kind_has_a_sample_a_category_and_its_name_as_tag() -> None:
    assert {type(event) for event in event_samples.one_of_each()} == set(KIND_OF)
    assert set(ecs.CATEGORY_OF) == set(EventKind) == set(KIND_OF.values())
    for event in event_samples.one_of_each():
        document = _document(event)
        assert document["slurm"]["kind"] == document["event"]["action"] == KIND_OF[type(event)].value


def test_those_who_search_by_ecs_find_time_host_user_and_id() -> None:
    document = _document()
    assert document["@timestamp"] == "2026-11-23T08:00:00.123456789Z"
    assert document["host"] == {"name": "n0", "boot": {"id": START.boot_id}}
    assert document["user"] == {"id": "2000", "name": "alice", "group": {"id": "2000"}}
    assert (document["event"]["id"], document["event"]["sequence"]) == (START.id, START.boottime_ns)
    assert document["slurm"]["schema"] == SCHEMA_VERSION


def test_a_job_whose_user_is_unknown_has_no_user() -> None:
    assert isinstance(START, JobStart)
    nobody = msgspec.structs.replace(START.job, user_id=None, user_name=None)
    assert "user" not in _document(msgspec.structs.replace(START, job=nobody))


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_timestamps_are_rfc_3339_to_the_nanosecond(time_ns: int) -> None:
    text = ecs.timestamp(time_ns)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", text)
    whole = datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    assert round(whole.timestamp()) * 1_000_000_000 + int(text[20:29]) == time_ns


@pytest.mark.parametrize(
    ("line", "reason", "said"),
    [
        (b"", "malformed", "no JSON"),
        (b"{", "malformed", "no JSON"),
        (b"\xff", "malformed", "no JSON"),
        (ecs.encode(START)[:-5], "malformed", "no JSON"),
        (b'{"x":' + b"[" * 100_000, "malformed", "no JSON"),
        (b"[]", "field", "object"),
        (b"{}", "field", "slurm"),
        (_changed("slurm", {}), "field", "kind"),
        (_changed("slurm.kind", "job-explosion"), "field", "$.slurm.kind"),
        (_changed("slurm.kind", "job-summary"), "field", "$.slurm"),
        (_changed("slurm.id", 5), "field", "$.slurm.id"),
        (_changed("slurm.id", ""), "field", "$.slurm.id"),
        (_changed("slurm.id", "x" * 129), "field", "$.slurm.id"),
        (_changed("slurm.node", "n" * 256), "field", "$.slurm.node"),
        (_changed("slurm.time_ns", -1), "field", "$.slurm.time_ns"),
        (_changed("slurm.time_ns", 2**63), "field", "$.slurm.time_ns"),
        (_changed("slurm.witness", "rumour"), "field", "$.slurm.witness"),
        (_changed("slurm.job.job_id", 0), "field", "$.slurm.job.job_id"),
        (_changed("slurm.job.job_id", "17"), "field", "$.slurm.job.job_id"),
        (_changed("slurm.job.user_id", -5), "field", "$.slurm.job.user_id"),
        (_changed("slurm.schema", 99), "version", "slurm.schema: 99"),
        (b'{"slurm":{"schema":2,"something":"else"}}', "version", "slurm.schema: 2"),
        (_changed("slurm.schema", "1"), "field", "$.slurm.schema"),
        (b" " * (ecs.MAX_LINE_BYTES + 1), "too_long", "at most"),
    ],
)
def test_what_is_no_event_is_refused_with_a_reason_and_the_place(line: bytes, reason: str, said: str) -> None:
    with pytest.raises(DecodeError) as refused:
        ecs.decode(line)
    assert refused.value.reason == reason
    assert said in str(refused.value)
    assert len(str(refused.value)) <= 320
    assert isinstance(refused.value, UnsupportedVersion) == (reason == "version")


def test_a_bad_line_spoils_itself_alone() -> None:
    first, *_, last = event_samples.one_of_each()
    body = ecs.encode(first) + b"\n\nrubbish\n" + ecs.encode(last) + b"\r\n"
    taken = list(ecs.decode_lines(body))
    assert [number for number, _ in taken] == [1, 3, 4]
    assert [taken[0][1], taken[2][1]] == [first, last]
    assert isinstance(taken[1][1], DecodeError)


def test_fields_of_a_later_release_of_the_same_schema_are_passed_over() -> None:
    assert ecs.decode(_changed("slurm.new", {"x": 1})) == START


def test_the_view_by_ecs_names_is_not_believed() -> None:
    assert ecs.decode(_changed("host.name", "elsewhere")) == START


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_a_decode_error(data: bytes) -> None:
    with pytest.raises(DecodeError):
        ecs.decode(data)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@given(
    path=st.sampled_from([f"slurm.{key}" for key in _document()["slurm"]] + ["slurm", "slurm.job.job_id"]), value=_JSON
)
def test_no_json_in_any_place_raises_anything_but_a_decode_error(path: str, value: object) -> None:
    ((_, taken),) = ecs.decode_lines(_changed(path, value))
    if isinstance(taken, DecodeError):
        assert taken.reason in {"field", "version"}
    else:
        assert ecs.decode(ecs.encode(taken)) == taken
