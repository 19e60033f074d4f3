"""Bytes of the SPANK plugin's file to a StepEvent: what a step was, how it ended, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.errors import DecodeError, UnsupportedVersion
from slurmlens.events import ExitCount, Figure, FigureSource
from slurmlens.hook_events import StepRole
from slurmlens.metrics import FIELD_INDEX
from slurmlens.wire import hook_file, step

EXIT: dict[str, Any] = {
    "v": 1,
    "id": "0123456789abcdef" * 2,
    "role": "step-exit",
    "time_ns": 1_795_347_263_123_456_789,
    "boot_id": "11111111-2222-3333-4444-555555555555",
    "boottime_ns": 5_123_456_789,
    "node": "n0",
    "job_id": 17,
    "step_id": 3,
    "user_id": 2000,
    "tasks": 4,
    "tasks_ended": 4,
    "exits": [[0, 2, [0, 2]], [0x2A00, 1, [1]], [9, 1, [3]]],
    "counters": {"hierarchy": "v2", "read_boottime_ns": 5_023_456_789, "cpu_usage_ns": 2_500_000_000},
}


def _bytes(**changes: Any) -> bytes:
    return json.dumps({**EXIT, **changes}, separators=(",", ":")).encode()


def _start(**changes: Any) -> bytes:
    asked = {"role": "step-start", "exits": [], "tasks_ended": 0, "counters": None}
    whole = {**EXIT, **asked, **changes}
    return json.dumps({key: value for key, value in whole.items() if value is not None}, separators=(",", ":")).encode()


def test_an_exit_says_how_its_tasks_ended_and_what_they_used() -> None:
    event = step.decode(_bytes())
    assert (event.role, event.node, event.job.job_id, event.job.user_id) == (StepRole.EXIT, "n0", 17, 2000)
    assert event.told.step == "3"
    assert event.told.exits == (
        ExitCount(code=0, tasks=2, first_tasks=(0, 2)),
        ExitCount(code=42, tasks=1, first_tasks=(1,)),
        ExitCount(code=0, signal=9, tasks=1, first_tasks=(3,)),
    )
    assert event.told.cpu_s == Figure(value=2.5, source=FigureSource.TASK_EXIT, complete=True)
    assert event.told.memory_peak_bytes is None, "what was not read is unavailable, never 0"


def test_a_step_ended_when_its_last_task_was_read_and_not_when_that_was_written() -> None:
    assert step.decode(_bytes()).told.ended_ns == EXIT["time_ns"] - 100_000_000


@pytest.mark.parametrize(
    "changes",
    [{"tasks_ended": 3}, {"tasks": None}, {"counters": {**EXIT["counters"], "error": 74}}],
    ids=["a task was not waited for", "nobody told how many there were", "a file was damaged"],
)
def test_a_figure_is_complete_only_if_every_task_was_waited_for_and_every_file_read(changes: dict[str, Any]) -> None:
    figure = step.decode(_bytes(**changes)).told.cpu_s
    assert figure is not None
    assert not figure.complete


@pytest.mark.parametrize(
    ("step_id", "name"), [(0xFFFFFFFC, "extern"), (0xFFFFFFFB, "batch"), (0xFFFFFFFA, "interactive"), (12, "12")]
)
def test_slurms_own_steps_have_their_names(step_id: int, name: str) -> None:
    assert step.decode(_start(step_id=step_id)).told.step == name


def test_a_start_carries_the_users_requests() -> None:
    event = step.decode(_start(interval="2", tag="w\u00c3\u00a4rm"))
    assert (event.interval_s, event.told.tag) == (2.0, "w\u00e4rm")
    assert event.told.started_ns == EXIT["time_ns"]


@pytest.mark.parametrize("asked", ["0.1", "often", "nan", "inf", "-1", "1e9", ""])
def test_an_interval_that_is_none_costs_itself_alone(asked: str) -> None:
    event = step.decode(_start(interval=asked, tag="x"))
    assert (event.interval_s, event.unusable, event.told.tag) == (None, ("SLURMLENS_INTERVAL",), "x")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{", "malformed"),
        (_bytes()[:-30], "malformed"),
        (_bytes(job_id=0), "field"),
        (_bytes(role="step-pause"), "field"),
        (_bytes(exits=[[0, 1]]), "field"),
        (_bytes(counters={"hierarchy": "v3", "read_boottime_ns": 1}), "field"),
        (_bytes(id="x"), "field"),
        (b" " * (hook_file.MAX_FILE_BYTES + 1), "too_long"),
    ],
)
def test_what_is_no_event_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as refused:
        step.decode(data)
    assert refused.value.reason == reason


def test_another_version_is_told_as_such() -> None:
    with pytest.raises(UnsupportedVersion):
        step.decode(_bytes(v=2))


def test_a_file_says_at_its_begin_whose_it_is() -> None:
    assert step.is_step(_bytes())
    assert not step.is_step(_bytes(role="prolog", tag='"role":"step-exit"'))


def test_the_counters_are_named_as_everywhere() -> None:
    names = set(step._Counters.__struct_fields__) - {"hierarchy", "read_boottime_ns", "error"}
    assert names <= set(FIELD_INDEX)


@given(st.dictionaries(st.sampled_from(sorted(EXIT)), st.none() | st.integers() | st.text(max_size=5)))
def test_whatever_stands_there_it_is_an_event_or_refused(changes: dict[str, Any]) -> None:
    try:
        event = step.decode(_bytes(**changes))
    except DecodeError:
        return
    msgspec.json.encode(event)
