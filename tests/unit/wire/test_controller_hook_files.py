"""Files of slurmctld's hooks: what is read of one, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.errors import DecodeError
from slurmlens.wire import controller_hook
from slurmlens.wire.controller_hook import ControllerRole


def file_of(env: dict[str, Any], role: str = "epilog-slurmctld") -> bytes:
    head = {"v": 1, "id": "0" * 32, "role": role, "time_ns": 1, "boot_id": "", "boottime_ns": 1}
    return json.dumps({**head, "env": env}).encode()


def test_it_says_which_job_ended_how_and_what_its_user_wrote() -> None:
    env = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "f\u00c3\u00bcr", "SLURM_JOB_EXIT_CODE2": "42:0"}
    told = controller_hook.decode(file_of({**env, "SLURM_JOB_COMMENT": "x" * 5000, "SLURM_JOB_DEPENDENCY": "(null)"}))
    assert told.role is ControllerRole.EPILOG
    assert (told.job.job_id, told.job.job_name, told.job.exit_code) == (7, "für", 42)
    assert told.comment == "x" * 1024
    assert told.dependency is None


@pytest.mark.parametrize("env", [{}, {"SLURM_JOB_ID": "none"}, {"SLURM_JOB_ID": 0}])
def test_a_file_of_no_job_is_refused(env: dict[str, Any]) -> None:
    with pytest.raises(DecodeError, match="SLURM_JOB_ID"):
        controller_hook.decode(file_of(env))


def test_a_nodes_hook_says_nothing_here() -> None:
    with pytest.raises(DecodeError):
        controller_hook.decode(file_of({"SLURM_JOB_ID": 1}, role="epilog"))


@given(st.dictionaries(st.sampled_from(["SLURM_JOB_ID", "SLURM_JOB_COMMENT", "SLURM_UID"]), st.text() | st.integers()))
def test_any_variables_are_read_or_refused_as_such(env: dict[str, Any]) -> None:
    try:
        told = controller_hook.decode(file_of(env))
    except DecodeError:
        return
    for text in (told.comment, told.job.job_name):
        assert text is None or "\0" not in text
