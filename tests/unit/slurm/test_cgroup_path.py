"""A job is named by Slurm's own folders, never by one that a user made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.slurm.cgroup_path import job_in_path


@pytest.mark.parametrize(
    ("path", "job", "step"),
    [
        ("/slurm/uid_1000/job_7/step_0/task_0", 7, "0"),
        ("/slurm_n1/uid_1000/job_7", 7, None),
        ("/system.slice/n1_slurmstepd.scope/job_7/step_batch/user/task_0", 7, "batch"),
        ("/system.slice/slurmstepd.scope/job_7/step_extern", 7, "extern"),
    ],
)
def test_slurms_folders_name_the_job(path: str, job: int, step: str | None) -> None:
    found = job_in_path(path)
    assert found is not None
    assert (found.job_id, found.step) == (job, step)


@pytest.mark.parametrize(
    "path",
    [
        "/user.slice/user-1000.slice/user@1000.service/job_7",
        "/user.slice/user-1000.slice/slurm/uid_0/job_7",
        "/system.slice/x.service/job_7/step_0",
        "job_7",
        "/slurm/uid_1000/job_x",
        "",
    ],
)
def test_other_folders_name_none(path: str) -> None:
    assert job_in_path(path) is None


@given(st.text(max_size=80))
def test_any_text_is_a_path_or_none(path: str) -> None:
    job_in_path(path)
