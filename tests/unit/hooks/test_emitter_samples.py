"""The real emitter, run with exactly the environment that real Slurm gave its hooks, read back by the real reader."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from slurmlens.hook_events import HookEvent, HookRole
from slurmlens.wire import controller_hook
from slurmlens.wire import hook as hook_format
from slurmlens.wire.controller_hook import ControllerRole
from testkit.hook_program import SOURCES, HookProgram, sample, sample_names

OURS = [name for name in sample_names() if sample(name).get("SLURM_SCRIPT_CONTEXT", "").endswith("_slurmd")]
CONTROLLERS = [name for name in sample_names() if sample(name).get("SLURM_SCRIPT_CONTEXT", "").endswith("_slurmctld")]
OTHERS = [name for name in sample_names() if name not in (*OURS, *CONTROLLERS)]


def _only_event(program: HookProgram) -> tuple[Path, HookEvent]:
    (path,) = program.written()
    return path, hook_format.decode(path.read_bytes())


def _listed_in_c() -> list[str]:
    return re.findall(r'VARIABLE\("(\w+)"\)', (SOURCES / "variables.h").read_text())


@pytest.mark.parametrize("name", OURS)
def test_every_recorded_prolog_and_epilog_is_told_whole(any_hook: HookProgram, name: str) -> None:
    environment = sample(name)
    role = HookRole(environment["SLURM_SCRIPT_CONTEXT"].removesuffix("_slurmd"))

    result = any_hook.run(environment, called_as=f"/usr/libexec/slurmlens/slurmlens-{role.value}")

    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    path, event = _only_event(any_hook)
    assert event.role is role
    assert path.name == f"{event.boottime_ns:020}-{path.name.split('-')[1]}-{role.value}.json"
    assert (event.cluster, event.node) == (environment["SLURM_CLUSTER_NAME"], environment["SLURMD_NODENAME"])
    assert (event.job.job_id, event.job.user_id) == (
        int(environment["SLURM_JOB_ID"]),
        int(environment["SLURM_JOB_UID"]),
    )
    assert (event.unusable, event.cut) == ((), ())
    written = json.loads(path.read_bytes())["env"]
    assert written == {key: value for key, value in environment.items() if key in _listed_in_c()}


def test_the_identities_of_all_releases_are_as_reviewed(hook: HookProgram, golden: Callable[[str, str], None]) -> None:
    identities = {}
    for name in OURS:
        hook.prepare()
        hook.run(sample(name))
        identities[name] = msgspec.to_builtins(_only_event(hook)[1].job)
    golden("hook-identities.json", json.dumps(identities, indent=1, sort_keys=True) + "\n")


@pytest.mark.parametrize("name", OTHERS)
def test_another_hook_of_slurm_makes_no_event_and_says_so(hook: HookProgram, name: str) -> None:
    result = hook.run(sample(name), called_as="/somewhere/env")

    assert result.returncode == 0
    assert hook.written() == []
    assert hook.lost_count("unknown") == 1


@pytest.mark.parametrize("name", CONTROLLERS)
def test_every_recorded_hook_of_slurmctld_is_told_in_the_controllers_folder(any_hook: HookProgram, name: str) -> None:
    environment = sample(name) | {"SLURM_JOB_COMMENT": 'say "hi"', "SLURM_JOB_DEPENDENCY": "afterok:6(unfulfilled)"}
    result = any_hook.run(environment, called_as="slurmlens-hook")
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    assert any_hook.written() == []
    (path,) = any_hook.controller_events.iterdir()
    event = controller_hook.decode(path.read_bytes())
    assert event.role.value.replace("-", "_") == environment["SLURM_SCRIPT_CONTEXT"]
    assert event.job.job_id == int(environment["SLURM_JOB_ID"])
    assert (event.job.job_name, event.cluster) == (environment["SLURM_JOB_NAME"], environment["SLURM_CLUSTER_NAME"])
    assert (event.comment, event.dependency, event.unusable) == ('say "hi"', "afterok:6(unfulfilled)", ())
    if event.role is ControllerRole.EPILOG:
        assert f"{event.job.exit_code}:{event.job.exit_signal}" == environment["SLURM_JOB_EXIT_CODE2"]


def test_what_a_user_wrote_is_not_taken_on_nodes(hook: HookProgram) -> None:
    hook.run(sample("22.05/prolog") | {"SLURM_JOB_COMMENT": "secret", "SLURM_JOB_DEPENDENCY": "afterok:6"})
    (path,) = hook.written()
    assert b"secret" not in path.read_bytes()
    assert b"DEPENDENCY" not in path.read_bytes()


def test_without_the_controllers_folder_its_event_is_counted_as_lost_there(hook: HookProgram) -> None:
    shutil.rmtree(hook.controller_events)
    assert hook.run(sample("22.05/epilogslurmctld")).returncode == 0
    assert (hook.controller_events.parent / "lost/epilog-slurmctld").read_bytes() == b"."
    assert hook.written() == []


def test_there_are_samples_of_both_hooks_of_the_oldest_and_the_newest_release() -> None:
    assert {"22.05/prolog", "22.05/epilog", "26.05/prolog", "26.05/epilog", "26.05-srun-only/epilog"} <= set(OURS)


def test_the_emitter_takes_every_variable_that_the_reader_knows() -> None:
    assert set(hook_format.VARIABLES) <= set(_listed_in_c())


def test_slurms_word_goes_before_the_name_it_was_called_by(hook: HookProgram) -> None:
    hook.run(sample("22.05/epilog"), called_as="slurmlens-prolog")
    assert _only_event(hook)[1].role is HookRole.EPILOG


@pytest.mark.parametrize("role", HookRole)
def test_the_name_decides_where_slurm_says_nothing(hook: HookProgram, role: HookRole) -> None:
    environment = sample("22.05/prolog")
    del environment["SLURM_SCRIPT_CONTEXT"]
    hook.run(environment, called_as=f"/opt/x/slurmlens-{role.value}")
    assert _only_event(hook)[1].role is role


def test_two_runs_never_share_an_id(hook: HookProgram) -> None:
    for _ in range(20):
        hook.run(sample("22.05/prolog"))
    events = [hook_format.decode(path.read_bytes()) for path in hook.written()]
    assert len({event.id for event in events}) == 20
    assert [event.boottime_ns for event in events] == sorted(event.boottime_ns for event in events)
