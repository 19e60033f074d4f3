"""What stands in the variables of a dropbox file reaches the field of the job that it is about, in every spelling."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmlens.events import JobIdentity
from slurmlens.hook_events import HookEvent
from slurmlens.wire import hook, hook_variables
from testkit.hook_program import sample, sample_names

FILE: dict[str, Any] = {
    "v": 1,
    "id": "0123456789abcdef" * 2,
    "role": "epilog",
    "time_ns": 1_795_347_263_123_456_789,
    "boot_id": "11111111-2222-3333-4444-555555555555",
    "boottime_ns": 5_123_456_789,
}
NODE_HOOKS = [name for name in sample_names() if re.search(r"/([0-9]+-)?(prolog|epilog)(\.|$)", name)]
NAMES_OF_TEXTS = {field: names[0] for field, names, read in hook_variables.SOURCES if read is hook_variables.as_text}

_ODD = st.one_of(
    st.integers(-2, 2**33).map(str),
    st.sampled_from(("", "0", "-0", "007", "1.0", "1e3", " 5", "5 ", "+5", "null", "4294967293", "4294967294")),
    st.sampled_from(("0:0", "42:0", "0:9", "1:2:3", "9" * 19, "9" * 20, str(2**63), "é", "日本", 'a"b', "a\\b")),
    st.text(max_size=6),
    st.integers(-1, 2**64).map(str),
)


def _read(env: dict[str, Any], **keys: Any) -> HookEvent:
    return hook.decode(json.dumps({**FILE, **keys, "env": {"SLURM_JOB_ID": "17", **env}}).encode("utf-8", "replace"))


@pytest.mark.parametrize(
    ("env", "field", "value"),
    [
        ({"SLURM_PACK_JOB_ID": "4", "SLURM_HET_JOB_ID": "5"}, "het_job_id", 5),
        ({"SLURM_PACK_JOB_ID": "4"}, "het_job_id", 4),
        ({"SLURM_HET_JOB_OFFSET": "0", "SLURM_PACK_JOB_OFFSET": "3"}, "het_job_offset", 0),
        ({"SLURM_JOB_NTASKS": "0", "SLURM_NTASKS": "3"}, "task_count", 0),
        ({"SLURM_NNODES": "3"}, "node_count", 3),
        ({"SLURM_NODELIST": "n[0-1]", "SLURM_JOB_NODELIST": ""}, "node_list", "n[0-1]"),
        ({"SLURM_JOB_DERIVED_EC": "265"}, "derived_exit_code", 128 + 9),
        ({"SLURM_JOB_DERIVED_EC": "512"}, "derived_exit_code", 2),
        ({"SLURM_ARRAY_TASK_ID": "4294967294"}, "array_task_id", None),
        ({"SLURM_JOB_RESTART_COUNT": "007"}, "restart_count", 7),
        ({"SLURM_JOB_END_TIME": "0"}, "end_time_s", None),
        ({"SLURM_JOB_UID": 1000}, "user_id", 1000),
    ],
)
def test_a_variable_means_what_slurm_means_by_it(env: dict[str, Any], field: str, value: int | str | None) -> None:
    read = _read(env)
    assert getattr(read.job, field) == value
    assert read.unusable == ()


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from([name for name in hook.VARIABLES if "JOB_ID" not in name]), _ODD, max_size=4))
def test_an_odd_value_costs_its_own_field_and_is_named(odd: dict[str, str]) -> None:
    read = _read(odd)
    assert read.job.job_id == 17
    assert set(read.unusable) <= set(odd)
    assert all(getattr(read.job, field) is None for field in hook_variables.fields_of(read.unusable))


@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.integers(1, 70_000).map(str) if is_number else st.from_regex(r"[a-z0-9]{0,5}", fullmatch=True)
            for name, is_number in hook_variables.IS_NUMBER.items()
            if name not in ("SLURM_JOB_EXIT_CODE2", "SLURM_JOBID")
        },
    ),
    st.sampled_from(("", "0:0", "3:0", "0:15")),
)
def test_nothing_is_unusable_of_what_slurm_sets(env: dict[str, str], code: str) -> None:
    assert _read({**env, "SLURM_JOB_EXIT_CODE2": code}).unusable == ()


@pytest.mark.parametrize("name", NODE_HOOKS)
def test_nothing_is_unusable_of_a_recorded_hook_of_slurm(name: str) -> None:
    env = {variable: value for variable, value in sample(name).items() if variable in hook.VARIABLES}
    assert _read(env).unusable == ()


@given(st.dictionaries(st.sampled_from(sorted(NAMES_OF_TEXTS)), st.binary(min_size=1, max_size=20), min_size=1))
def test_texts_of_any_bytes_are_read_as_utf8(texts: dict[str, bytes]) -> None:
    env = {NAMES_OF_TEXTS[field]: text.decode("latin-1") for field, text in texts.items()}
    read = _read({"SLURMD_NODENAME": "\xc3\xa9", **env})
    assert read.node == "é"
    assert {field: getattr(read.job, field) for field in texts} == {
        field: text.decode("utf-8", "replace") for field, text in texts.items()
    }


def test_every_field_of_a_job_is_told_by_its_own_variable() -> None:
    """A value of its own for each: two fields that changed places would show."""
    env = {name: str(number) for number, name in enumerate(hook.VARIABLES, 256)} | {"SLURM_JOB_EXIT_CODE2": "3:9"}
    job = _read(env).job
    assert (job.exit_code, job.exit_signal, job.job_id) == (3, 9, int(env["SLURM_JOB_ID"]))
    for field, names, read in hook_variables.SOURCES:
        assert getattr(job, field) == read(env[names[0]])
    assert all(getattr(job, field) is not None for field in JobIdentity.__struct_fields__)
