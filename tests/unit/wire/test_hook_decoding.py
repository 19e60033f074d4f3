"""Bytes of a dropbox file to a HookEvent: what is refused and how it is said, what costs one field only."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.errors import DecodeError, UnsupportedVersion
from slurmlens.hook_events import HookRole
from slurmlens.wire import hook, hook_file

GOOD: dict[str, Any] = {
    "v": 1,
    "id": "0123456789abcdef" * 2,
    "role": "epilog",
    "time_ns": 1_795_347_263_123_456_789,
    "boot_id": "11111111-2222-3333-4444-555555555555",
    "boottime_ns": 5_123_456_789,
    "env": {"SLURM_JOB_ID": "17", "SLURMD_NODENAME": "n0", "SLURM_CLUSTER_NAME": "demo"},
}


def _bytes(changes: dict[str, Any] | None = None, **env: str) -> bytes:
    return json.dumps({**GOOD, "env": {**GOOD["env"], **env}, **(changes or {})}).encode()


def _without(key: str) -> bytes:
    return json.dumps({name: value for name, value in GOOD.items() if name != key}).encode()


def _refusal(data: bytes) -> DecodeError:
    """What is said against `data`; anything but a DecodeError fails the test."""
    try:
        hook.decode(data)
    except DecodeError as error:
        return error
    return DecodeError("nothing", reason="field")


def test_a_good_event_is_read_whole() -> None:
    event = hook.decode(_bytes())
    assert (event.id, event.role, event.cluster, event.node) == (GOOD["id"], HookRole.EPILOG, "demo", "n0")
    assert (event.time_ns, event.boot_id, event.boottime_ns) == (GOOD["time_ns"], GOOD["boot_id"], GOOD["boottime_ns"])
    assert event.job.job_id == 17
    assert event.job.user_id is None


@pytest.mark.parametrize(
    ("data", "reason", "said"),
    [
        (b"", "malformed", "no JSON"),
        (b"{", "malformed", "no JSON"),
        (b"not json", "malformed", "no JSON"),
        (b"\xff\xfe{}", "malformed", "no JSON"),
        (_bytes()[:-20], "malformed", "no JSON"),
        (_bytes() + b"x", "malformed", "no JSON"),
        (b'{"new":' + b"[" * 16_000, "malformed", "no JSON"),
        (b'{"v":1,"id":5,"\xff":"\xff"}', "field", "$.id"),
        (b"[]", "field", "object"),
        (b"{}", "field", "v"),
        (_without("id"), "field", "id"),
        (_without("env"), "field", "env"),
        (_bytes({"id": "short"}), "field", "$.id"),
        (_bytes({"id": 5}), "field", "$.id"),
        (_bytes({"role": "taskprolog"}), "field", "$.role"),
        (_bytes({"time_ns": "now"}), "field", "$.time_ns"),
        (_bytes({"time_ns": -1}), "field", "$.time_ns"),
        (_bytes({"boottime_ns": 2**63}), "field", "$.boottime_ns"),
        (_bytes({"boot_id": "../../x"}), "field", "$.boot_id"),
        (_bytes({"env": []}), "field", "$.env"),
        (_bytes({"env": {"SLURM_JOB_ID": True}}), "field", "$.env.SLURM_JOB_ID"),
        (_bytes({"env": {"SLURM_JOB_ID": None}}), "field", "$.env.SLURM_JOB_ID"),
        (_bytes({"env": {"SLURM_JOB_ID": "17", "SLURM_JOB_USER": 17}}), "field", "$.env.SLURM_JOB_USER"),
        (_bytes({"id": "0123456789abcdef" * 2 + "\n"}), "field", "$.id"),
        (_bytes({"id": "0123456789ABCDEF" * 2}), "field", "$.id"),
        (_bytes({"boot_id": GOOD["boot_id"] + "\n"}), "field", "$.boot_id"),
        (_bytes({"env": {}}), "job_id", "SLURM_JOB_ID"),
        (_bytes(SLURM_JOB_ID=""), "job_id", "SLURM_JOB_ID"),
        (_bytes(SLURM_JOB_ID="0"), "job_id", "'0'"),
        (_bytes(SLURM_JOB_ID="-1"), "job_id", "'-1'"),
        (_bytes(SLURM_JOB_ID="1x3"), "job_id", "'1x3'"),
        (_bytes({"env": {"SLURM_JOB_ID": -1}}), "job_id", "'-1'"),
        (_bytes(SLURM_JOB_ID="4294967294"), "job_id", "4294967294"),
        (_bytes(SLURM_JOB_ID="9" * 5000), "job_id", "no job id"),
        (_bytes({"v": 2}), "version", "version 2"),
        (b'{"v":2}', "version", "version 2"),
        (_bytes({"v": "one"}), "field", "$.v"),
        (_bytes({"v": None}), "field", "$.v"),
        (_bytes({"v": "2"}), "version", "version 2"),
        (b" " * (hook_file.MAX_FILE_BYTES + 1), "too_long", "at most 16384"),
    ],
)
def test_what_is_no_event_is_refused_with_a_reason_and_the_place(data: bytes, reason: str, said: str) -> None:
    with pytest.raises(DecodeError) as refused:
        hook.decode(data)
    assert refused.value.reason == reason
    assert said in str(refused.value)
    assert len(str(refused.value)) <= 320
    assert isinstance(refused.value, UnsupportedVersion) == (reason == "version")


@pytest.mark.parametrize(
    ("variable", "value", "field"),
    [
        ("SLURM_JOB_UID", "alice", "user_id"),
        ("SLURM_JOB_UID", "-1", "user_id"),
        ("SLURM_JOB_UID", "4294967296", "user_id"),
        ("SLURM_JOB_UID", " 5", "user_id"),
        ("SLURM_JOB_UID", "Ù£", "user_id"),
        ("SLURM_JOB_RESTART_COUNT", "1.5", "restart_count"),
        ("SLURM_JOB_RESTART_COUNT", "null", "restart_count"),
        ("SLURM_JOB_START_TIME", "2026-11-23", "start_time_s"),
        ("SLURM_JOB_END_TIME", "9" * 20, "end_time_s"),
        ("SLURM_JOB_EXIT_CODE2", "42", "exit_code"),
        ("SLURM_JOB_EXIT_CODE2", "42:0:1", "exit_code"),
        ("SLURM_JOB_DERIVED_EC", "x", "derived_exit_code"),
    ],
)
def test_a_number_that_is_none_costs_that_field_and_is_named(variable: str, value: str, field: str) -> None:
    event = hook.decode(_bytes(**{variable: value}))
    assert getattr(event.job, field) is None
    assert event.unusable == (variable,)
    assert event.job.job_id == 17


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"SLURM_JOB_EXIT_CODE2": "42:0"}, {"exit_code": 42, "exit_signal": 0}),
        ({"SLURM_JOB_EXIT_CODE2": "0:9"}, {"exit_code": 0, "exit_signal": 9}),
        ({"SLURM_JOB_DERIVED_EC": "10752"}, {"derived_exit_code": 42}),
        ({"SLURM_JOB_DERIVED_EC": "9"}, {"derived_exit_code": 137}),
        ({"SLURM_JOB_DERIVED_EC": "4294967294"}, {"derived_exit_code": None}),
        ({"SLURM_NODELIST": "n0"}, {"node_list": "n0"}),
        ({"SLURM_NODELIST": "n0", "SLURM_JOB_NODELIST": "n[0-1]"}, {"node_list": "n[0-1]"}),
        ({"SLURM_NODELIST": "n0", "SLURM_JOB_NODELIST": ""}, {"node_list": "n0"}),
        ({"SLURM_UID": "7"}, {"user_id": 7}),
        ({"SLURM_PACK_JOB_ID": "4", "SLURM_PACK_JOB_OFFSET": "1"}, {"het_job_id": 4, "het_job_offset": 1}),
        ({"SLURM_ARRAY_JOB_ID": "3", "SLURM_ARRAY_TASK_ID": "0"}, {"array_job_id": 3, "array_task_id": 0}),
        ({"SLURM_ARRAY_TASK_ID": "4294967294"}, {"array_task_id": None}),
        ({"SLURM_JOB_START_TIME": "0"}, {"start_time_s": None}),
        ({"SLURM_JOB_QOS": ""}, {"qos": None}),
        ({"SLURM_JOB_GPUS": "0,3"}, {"gpus": "0,3"}),
        ({"SLURM_JOB_UID": "007"}, {"user_id": 7}),
        ({"SLURM_JOB_UID": "1e3"}, {"user_id": 1000}),
        ({"SLURM_JOB_UID": ""}, {"user_id": None}),
    ],
)
def test_slurms_spellings_are_understood(variables: dict[str, str], expected: dict[str, object]) -> None:
    event = hook.decode(_bytes(**variables))
    assert {field: getattr(event.job, field) for field in expected} == expected
    assert event.unusable == ()


def test_a_number_may_stand_in_quotes_or_not() -> None:
    quoted = _bytes({"v": "1", "time_ns": str(GOOD["time_ns"])}, SLURM_JOB_UID="7")
    assert hook.decode(quoted) == hook.decode(quoted.replace(b'"17"', b"17").replace(b'"7"', b"7"))


def test_the_older_name_of_the_job_id_is_enough() -> None:
    assert hook.decode(_bytes({"env": {"SLURM_JOBID": "9"}})).job.job_id == 9


def test_unknown_keys_and_variables_of_a_later_emitter_are_passed_over() -> None:
    assert hook.decode(_bytes({"new": [1]}, SLURM_JOB_NEW="x")).job.job_id == 17
    assert hook.decode(_bytes({"env": {"SLURM_JOB_ID": "17", "SLURM_JOB_NEW": [1]}})).job.job_id == 17


def test_text_that_is_not_of_the_emitters_form_stands_for_itself() -> None:
    assert hook.decode(_bytes(SLURM_JOB_NAME="job 日本")).job.job_name == "job 日本"
    unescaped = _bytes(SLURM_JOB_NAME="?").replace(b"?", "é".encode())
    assert hook.decode(unescaped).job.job_name == "é"


def test_half_a_surrogate_pair_is_no_json() -> None:
    with pytest.raises(DecodeError, match="no JSON"):
        hook.decode(_bytes(SLURM_JOB_NAME="\ud800"))


@given(st.binary(max_size=400))
def test_no_bytes_raise_anything_but_a_decode_error(data: bytes) -> None:
    assert _refusal(data).reason in {"malformed", "field", "job_id", "version", "too_long"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@given(changes=st.dictionaries(st.sampled_from(sorted(GOOD)), _JSON, max_size=3))
def test_no_json_in_any_place_raises_anything_but_a_decode_error(changes: dict[str, Any]) -> None:
    assert len(str(_refusal(_bytes(changes)))) <= 320


@given(values=st.dictionaries(st.sampled_from(hook.VARIABLES), st.text(max_size=30), max_size=12))
def test_whatever_variables_say_a_job_with_an_id_is_an_event_that_can_be_encoded(values: dict[str, str]) -> None:
    event = hook.decode(_bytes({"env": {**values, "SLURM_JOB_ID": "17"}}))
    assert set(event.unusable) <= set(values)
    msgspec.json.decode(msgspec.json.encode(event.job), type=type(event.job))
