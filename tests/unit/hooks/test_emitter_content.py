"""What stands in an event whatever stands in the environment: any bytes, any length, any number of variables."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slurmlens.hook_events import HookEvent
from slurmlens.wire import hook as hook_format
from slurmlens.wire import hook_file
from testkit.hook_program import HookProgram, sample

BASE = {key.encode(): value.encode() for key, value in sample("26.05/epilog").items()}

NASTY_NAMES = {
    "quotes": b'a "quoted" \\ name',
    "newlines and controls": b"one\ntwo\r\x01\x1b[31m\x7f",
    "a path": b"../../etc/passwd",
    "JSON": b'","role":"prolog","env":{"SLURM_JOB_ID":"666"},"x":"',
    "UTF-8": "Grüße 🚀".encode(),
    "invalid UTF-8": b"caf\xe9 \xff\xfe \xc3",
    "a lone surrogate as bytes": b"\xed\xa0\x80",
    "empty": b"",
}


def _event(program: HookProgram) -> HookEvent:
    (path,) = program.written()
    data = path.read_bytes()
    assert len(data) <= hook_file.MAX_FILE_BYTES
    assert data.endswith(b"}\n")
    assert all(0x20 <= byte < 0x7F for byte in data[:-1])
    return hook_format.decode(data)


@pytest.mark.parametrize("name", NASTY_NAMES)
def test_any_job_name_survives_the_way(any_hook: HookProgram, name: str) -> None:
    value = NASTY_NAMES[name]
    assert any_hook.run({**BASE, b"SLURM_JOB_NAME": value}).returncode == 0
    assert _event(any_hook).job.job_name == (value.decode("utf-8", "replace") or None)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    extra=st.dictionaries(
        st.one_of(
            st.sampled_from([name.encode() for name in hook_format.VARIABLES if "JOB_ID" not in name]),
            st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name and b"=" not in name),
        ),
        st.binary(max_size=3000).map(lambda value: value.replace(b"\0", b"")),
        max_size=40,
    )
)
def test_no_environment_makes_it_fail_or_write_anything_but_one_good_event(
    programs: dict[str, HookProgram], extra: dict[bytes, bytes]
) -> None:
    program = programs["sanitized"]
    program.prepare()
    environment = {**BASE, **extra, b"SLURM_SCRIPT_CONTEXT": b"prolog_slurmd"}
    result = program.run(environment)
    assert (result.returncode, result.stderr) == (0, b"")
    event = _event(program)
    too_long = {name.decode() for name, value in environment.items() if len(value) > 1024}
    assert too_long & set(hook_format.VARIABLES) <= set(event.cut)


def test_a_value_of_more_than_a_kibibyte_is_cut_and_said_to_be(any_hook: HookProgram) -> None:
    any_hook.run({**BASE, b"SLURM_JOB_NODELIST": b"n" * 1024, b"SLURM_JOB_NAME": b"x" * 1025})
    event = _event(any_hook)
    assert event.cut == ("SLURM_JOB_NAME",)
    assert (event.job.job_name, event.job.node_list) == ("x" * 1024, "n" * 1024)
    assert event.job.cut == ("job_name",)


def test_what_does_not_fit_altogether_is_left_out_from_the_end_of_the_list(any_hook: HookProgram) -> None:
    filled = {name.encode(): b"\xff" * 1024 for name in hook_format.VARIABLES if "JOB_ID" not in name}
    filled[b"SLURM_SCRIPT_CONTEXT"] = b"prolog_slurmd"
    filled[b"SLURMD_NODENAME"] = b"n0"
    any_hook.run({**BASE, **filled})
    (path,) = any_hook.written()
    document = json.loads(path.read_bytes())
    assert document["env"]["SLURM_JOB_ID"] == BASE[b"SLURM_JOB_ID"].decode()
    assert "SLURM_NODELIST" not in document["env"]
    assert "SLURM_NODELIST" in document["cut"]


def test_a_hundred_kilobytes_of_environment_change_nothing(any_hook: HookProgram) -> None:
    rubbish = {b"RUBBISH_%d" % i: b"x" * 1000 for i in range(100)}
    assert any_hook.run({**rubbish, **BASE}).returncode == 0
    assert b"RUBBISH" not in any_hook.written()[0].read_bytes()


def test_nothing_that_users_write_freely_is_taken(hook: HookProgram) -> None:
    secrets = {
        b"SLURM_JOB_COMMENT": b"SECRET",
        b"SLURM_JOB_WORK_DIR": b"/home/SECRET",
        b"SPANK__SLURM_SPANK_OPTION_x_token": b"SECRET",
        b"AWS_SECRET_ACCESS_KEY": b"SECRET",
        b"SLURM_JOB_IDX": b"SECRET",
        b"SLURM_JOB_I": b"SECRET",
    }
    hook.run({**BASE, **secrets})
    assert b"SECRET" not in hook.written()[0].read_bytes()
