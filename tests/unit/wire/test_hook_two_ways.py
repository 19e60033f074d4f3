"""The usual way through a dropbox file and the thorough one say the same, whatever stands in it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from slurmlens.events import HookEvent, JobIdentity
from slurmlens.wire import hook, hook_variables
from testkit.hook_program import sample, sample_names

USUAL_ENV = {"SLURM_JOB_ID": "17", "SLURM_JOB_UID": "1000", "SLURM_JOB_NUM_NODES": "2"}
FILE: dict[str, Any] = {
    "v": 1,
    "id": "0123456789abcdef" * 2,
    "role": "epilog",
    "time_ns": 1_795_347_263_123_456_789,
    "boot_id": "11111111-2222-3333-4444-555555555555",
    "boottime_ns": 5_123_456_789,
}
NODE_HOOKS = [name for name in sample_names() if re.search(r"/([0-9]+-)?(prolog|epilog)(\.|$)", name)]

_SPELT = st.one_of(
    st.integers(-2, 2**33).map(str),
    st.integers(0, 300).map(str),
    st.sampled_from(
        ("", "0", "-0", "007", "1.0", "1e3", "1.5", " 5", "5 ", "+5", "null", "true", "4294967293", "4294967294")
    ),
    st.sampled_from(("0:0", "42:0", "0:9", "1:2:3", "9" * 19, "9" * 20, str(2**63), "é", "日本", 'a"b', "a\\b")),
    st.text(max_size=6),
    st.integers(-1, 2**64),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from((None, True, [], {})),
)
_ENV = st.dictionaries(st.sampled_from(hook.VARIABLES), _SPELT, max_size=3)
_KEYS = st.fixed_dictionaries(
    {},
    optional={
        "v": st.sampled_from((1, "1", 2, 1.0, True, None)),
        "id": st.sampled_from(
            ("0123456789abcdef" * 2, "0" * 32, "A" * 32, "a" * 31, "g" * 32, "a" * 32 + "\n", " a" * 16)
        ),
        "boot_id": st.sampled_from((FILE["boot_id"], FILE["boot_id"] + "\n", "x", FILE["boot_id"].replace("1", "F"))),
        "time_ns": st.sampled_from((0, "5", "1e3", -1, 2**63, 2**63 - 1, 1.0, 1.5, "", None)),
        "cut": st.sampled_from(([], ["SLURM_JOB_NAME"], [1], "x", None)),
        "new": _SPELT,
    },
)


def _usual(data: bytes) -> HookEvent:
    return hook._event_of(hook.read_usual(data))


def _is_usual(data: bytes) -> bool:
    """Whether the usual way keeps the file to itself."""
    try:
        _usual(data)
    except (ValueError, RecursionError):
        return False
    return True


@settings(max_examples=400)
@given(keys=st.just({}) | _KEYS, env=_ENV, is_ascii=st.booleans())
@example(keys={}, env={"SLURM_PACK_JOB_ID": "4", "SLURM_HET_JOB_ID": "0"}, is_ascii=True)
@example(keys={}, env={"SLURM_HET_JOB_OFFSET": "0", "SLURM_PACK_JOB_OFFSET": "3"}, is_ascii=True)
@example(keys={}, env={"SLURM_JOB_NTASKS": "0", "SLURM_NTASKS": "3"}, is_ascii=True)
@example(keys={}, env={"SLURM_JOB_DERIVED_EC": "265"}, is_ascii=True)
def test_what_the_usual_way_reads_the_thorough_one_reads_alike(
    keys: dict[str, Any], env: dict[str, Any], is_ascii: bool
) -> None:
    document = {**FILE, **keys, "env": {**USUAL_ENV, **env}}
    data = json.dumps(document, ensure_ascii=is_ascii).encode("utf-8", "replace")
    event("usual" if _is_usual(data) else "thorough")
    if _is_usual(data):
        assert hook.decode(data) == hook._thorough(data)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.integers(1, 70_000).map(str) if is_number else st.from_regex(r"[a-z0-9]{0,5}", fullmatch=True)
            for name, is_number in hook_variables._IS_NUMBER.items()
            if name not in (*USUAL_ENV, "SLURM_JOB_EXIT_CODE2", "SLURM_JOBID")
        },
    ),
    st.sampled_from(("", "0:0", "3:0", "0:15")),
)
def test_variables_as_slurm_sets_them_need_no_second_look(env: dict[str, str], code: str) -> None:
    data = json.dumps({**FILE, "env": {**USUAL_ENV, "SLURM_JOB_EXIT_CODE2": code, **env}}).encode()
    assert _usual(data) == hook._thorough(data)


@pytest.mark.parametrize("name", NODE_HOOKS)
def test_every_recorded_hook_of_slurm_goes_the_usual_way(name: str) -> None:
    env = {variable: value for variable, value in sample(name).items() if variable in hook.VARIABLES}
    data = json.dumps({**FILE, "env": env}).encode()
    assert _usual(data) == hook._thorough(data)


@given(st.dictionaries(st.sampled_from(hook_variables.TEXT_FIELDS), st.binary(min_size=1, max_size=20), min_size=1))
def test_texts_of_any_bytes_go_the_usual_way_and_are_read_alike(texts: dict[str, bytes]) -> None:
    names = {field: names[0] for field, names, _ in hook_variables._SOURCES}
    env = {names[field]: text.decode("latin-1") for field, text in texts.items()}
    data = json.dumps({**FILE, "env": {**USUAL_ENV, "SLURMD_NODENAME": "\xc3\xa9", **env}}).encode()
    assert _is_usual(data)
    read = hook.decode(data)
    assert read == hook._thorough(data)
    assert read.node == "é"
    assert {field: getattr(read.job, field) for field in texts} == {
        field: text.decode("utf-8", "replace") for field, text in texts.items()
    }


def test_both_ways_read_the_same_variables() -> None:
    assert set(hook_variables.Told.__struct_encode_fields__) == set(hook.VARIABLES)


def test_every_field_of_a_job_is_told_by_its_own_variable() -> None:
    """A value of its own for each: two fields that changed places would show."""
    env = {name: str(number) for number, name in enumerate(hook.VARIABLES, 256)} | {"SLURM_JOB_EXIT_CODE2": "3:9"}
    read = _usual(json.dumps({**FILE, "env": env}).encode())
    values = [getattr(read.job, name) for name in JobIdentity.__struct_fields__]
    assert None not in values
    assert read == hook._thorough(json.dumps({**FILE, "env": env}).encode())
