"""The SPANK plugin in a fake Slurm, under ASan and UBSan: what it tells of a step, and that it always succeeds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurmlens.events import ExitCount, FigureSource
from slurmlens.hook_events import StepRole
from slurmlens.metrics import FIELD_INDEX
from testkit import spank_host
from testkit.checkout import ROOT
from testkit.spank_host import CALLBACKS, CONTEXTS, JOB_ID, STEP_ID, USUAL, SpankBuild, SpankHost

pytestmark = pytest.mark.skipif(not spank_host.HEADER.exists(), reason="no slurm/spank.h (Debian: libslurm-dev)")

V2_STEPD = "/system.slice/vmnode_slurmstepd.scope/job_8/step_0/slurm"
V2_SLUID = "/system.slice/vmnode_slurmstepd.scope/sAZNM81H9YSG00/step_0/slurm"
V1_STEPD = "/slurm_hvn0/uid_0/job_1/step_0"


@pytest.fixture(scope="session")
def built() -> Iterator[SpankBuild]:
    """A short path, for a Unix socket lies in it."""
    with tempfile.TemporaryDirectory(prefix="sls-") as folder:
        yield spank_host.build(Path(folder), "SANITIZE=1")


@pytest.fixture
def spank(built: SpankBuild) -> SpankBuild:
    built.prepare()
    return built


def _run_step(spank: SpankBuild, *statuses: int, environment: dict[str, str] | None = None) -> None:
    with SpankHost(spank) as host:
        host.be_step(environment=environment)
        host.starts()
        for task, status in enumerate(statuses):
            host.task_ends(task, status)
        host.call("slurm_spank_exit")


# --- what it tells


def test_a_step_is_told_at_its_start_and_at_its_end(spank: SpankBuild) -> None:
    _run_step(spank, 0, 0)
    start, end = spank.told()
    assert (start.role, end.role) == (StepRole.START, StepRole.EXIT)
    assert (start.job.job_id, start.told.step, start.told.task_count) == (7, "0", 2)
    assert end.told.exits == (ExitCount(code=0, tasks=2, first_tasks=(0, 1)),)
    assert start.id != end.id
    for path in spank.events.iterdir():
        written = json.loads(path.read_bytes())
        assert (written["cores"], written["memory_mib"], written["tasks_in_all"]) == ("0-1", 600, 2)
        assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("recording", "path", "node", "sluid"),
    [
        ("v2-22.05", V2_STEPD, "vmnode", None),
        ("v2-26.05", V2_SLUID, "vmnode", "sAZNM81H9YSG00"),
        ("v1-22.05", V1_STEPD, "hvn0", None),
    ],
)
def test_the_counters_are_those_of_the_steps_own_folder(
    spank: SpankBuild, tmp_path: Path, recording: str, path: str, node: str, sluid: str | None
) -> None:
    root = spank.be_in_recording(recording, path, tmp_path)
    _run_step(spank, 0, 0)
    end = spank.told()[-1]
    assert (end.node, end.job.sluid) == (node, sluid)
    assert end.told.cpu_s is not None
    assert (end.told.cpu_s.source, end.told.cpu_s.complete) == (FigureSource.TASK_EXIT, True)
    if recording.startswith("v1"):
        counted_ns = int((root / f"sys/fs/cgroup/cpuacct{path}/cpuacct.usage").read_text())
        peak = int((root / f"sys/fs/cgroup/memory{path}/memory.max_usage_in_bytes").read_text())
    else:
        user = root / f"sys/fs/cgroup{path}" / "../user"
        counted_ns = int((user / "cpu.stat").read_text().split()[1]) * 1000
        peak = int((user / "memory.peak").read_text())
    assert round(end.told.cpu_s.value * 1e9) == counted_ns
    assert end.told.memory_peak_bytes is not None
    assert end.told.memory_peak_bytes.value == peak
    assert end.told.oom_kills == 0


def test_the_last_tasks_reading_is_the_steps(spank: SpankBuild, tmp_path: Path) -> None:
    root = spank.be_in_recording("v2-22.05", V2_STEPD, tmp_path)
    counter = root / f"sys/fs/cgroup{V2_STEPD}" / "../user/cpu.stat"
    with SpankHost(spank) as host:
        host.be_step()
        host.starts()
        host.task_ends(0)
        counter.write_text("usage_usec 5000000\nuser_usec 4000000\nsystem_usec 1000000\n")
        host.task_ends(1)
        host.call("slurm_spank_exit")
    figure = spank.told()[-1].told.cpu_s
    assert figure is not None
    assert figure.value == 5.0


def test_no_event_is_written_between_the_first_task_and_the_end_of_the_step(spank: SpankBuild) -> None:
    """A file that slurmstepd writes is charged to the job."""
    with SpankHost(spank) as host:
        host.be_step()
        host.starts()
        before = len(spank.told())
        host.task_ends(0)
        host.task_ends(1)
        assert len(spank.told()) == before
        host.call("slurm_spank_exit")


def test_a_kill_in_one_tasks_folder_is_the_steps(spank: SpankBuild, tmp_path: Path) -> None:
    root = spank.be_in_recording("v1-22.05", V1_STEPD, tmp_path)
    task = root / f"sys/fs/cgroup/memory{V1_STEPD}/task_1/memory.oom_control"
    task.write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    _run_step(spank, 0, 9)
    assert spank.told()[-1].told.oom_kills == 1


def test_of_many_tasks_every_way_to_end_is_counted_and_a_few_tasks_are_named(spank: SpankBuild) -> None:
    statuses = [0] * 126 + [0x0100, 9]
    _run_step(spank, *statuses)
    assert spank.told()[-1].told.exits == (
        ExitCount(code=0, tasks=126, first_tasks=tuple(range(8))),
        ExitCount(code=1, tasks=1, first_tasks=(126,)),
        ExitCount(code=0, signal=9, tasks=1, first_tasks=(127,)),
    )


def test_of_a_hundred_ways_to_end_the_first_sixteen_are_told(spank: SpankBuild) -> None:
    _run_step(spank, *(code << 8 for code in range(100)))
    assert [one.code for one in spank.told()[-1].told.exits] == list(range(16))


def test_the_event_goes_into_its_nodes_own_folder_where_there_is_one(spank: SpankBuild, tmp_path: Path) -> None:
    spank.be_in_recording("v2-22.05", V2_STEPD, tmp_path)
    (spank.events / "vmnode").mkdir()
    _run_step(spank, 0)
    assert {path.parent.name for path in spank.events.rglob("*.json")} == {"vmnode"}


def test_without_cgroups_the_step_is_told_without_figures(spank: SpankBuild) -> None:
    _run_step(spank, 0)
    end = spank.told()[-1]
    assert (end.node, end.told.cpu_s, end.told.memory_peak_bytes) == (None, None, None)


# --- what the user asks


def test_the_users_requests_travel_with_the_start(spank: SpankBuild) -> None:
    asked = {"SLURMLENS_INTERVAL": "2", "SLURMLENS_TAG": "wärm-up"}
    _run_step(spank, 0, environment=asked)
    start, end = spank.told()
    assert (start.interval_s, start.told.tag) == (2.0, "wärm-up")
    assert end.told.tag == "wärm-up"


@pytest.mark.parametrize(("word", "events"), [("1", 0), ("yes", 0), ("please", 0), ("00", 0), ("0", 2), ("", 2)])
def test_who_wants_nothing_told_gets_it(spank: SpankBuild, word: str, events: int) -> None:
    _run_step(spank, 0, environment={"SLURMLENS_OFF": word})
    assert len(spank.told()) == events


@pytest.mark.parametrize("length", [255, 256, 4000])
def test_a_request_that_is_too_long_is_none(spank: SpankBuild, length: int) -> None:
    _run_step(spank, 0, environment={"SLURMLENS_TAG": "x" * length})
    assert spank.told()[0].told.tag == ("x" * length if length < 256 else None)


def test_bytes_that_are_no_text_make_a_valid_event(spank: SpankBuild) -> None:
    _run_step(spank, 0, environment={"SLURMLENS_TAG": 'a\x01"\\\udcff'})
    assert spank.told()[0].told.tag == 'a\x01"\\\ufffd'


@pytest.mark.parametrize("context", ["local", "allocator"])
def test_options_set_the_users_environment_and_nothing_else(spank: SpankBuild, context: str) -> None:
    with SpankHost(spank) as host:
        host.say(f"context {context}")
        host.say("argument options=yes")
        host.starts()
        assert host.say("option lens-tag warm up") == "lens-tag 0"
        assert host.say("option lens-off") == "lens-off 0"
        assert host.say("getenv SLURMLENS_TAG") == "warm up"
        assert host.say("getenv SLURMLENS_OFF") == "1"
        assert host.say("option lens-progress off") == "lens-progress 0"
        assert host.say("getenv SLURMLENS_PROGRESS") == "off"
        host.call("slurm_spank_exit")
    assert spank.told() == []


@pytest.mark.parametrize("argument", ["", "options=no", "options", "required", "x" * 4000, "%s%n"])
def test_without_options_there_are_none_whatever_stands_in_plugstack(spank: SpankBuild, argument: str) -> None:
    with SpankHost(spank) as host:
        host.say("context local")
        host.say(f"argument {argument}")
        assert host.call("slurm_spank_init") == "slurm_spank_init 0"
        assert host.say("option lens-tag x") == "lens-tag absent"


# --- that it harms nobody


@pytest.mark.parametrize("context", CONTEXTS)
def test_every_callback_in_every_context_succeeds_or_is_not_there(spank: SpankBuild, context: str) -> None:
    with SpankHost(spank) as host:
        host.be_step()
        host.say(f"context {context}")
        for _ in range(2):
            for callback in CALLBACKS:
                assert host.call(callback) in (f"{callback} 0", f"{callback} absent")
        # A second step in one process, ended before it began, told twice.
        for callback in reversed(CALLBACKS):
            assert host.call(callback) in (f"{callback} 0", f"{callback} absent")


def test_slurm_starts_no_process_for_callbacks_that_are_not_there(spank: SpankBuild) -> None:
    with SpankHost(spank) as host:
        present = {callback for callback in CALLBACKS if not host.call(callback).endswith("absent")}
    assert present == {
        "slurm_spank_init",
        "slurm_spank_task_post_fork",
        "slurm_spank_task_exit",
        "slurm_spank_exit",
    }


def test_whatever_slurm_refuses_to_tell_the_answer_is_success(spank: SpankBuild, tmp_path: Path) -> None:
    spank.be_in_recording("v2-22.05", V2_STEPD, tmp_path)
    with SpankHost(spank) as host:
        host.be_step()
        host.starts()
        host.task_ends(0)
        calls, _ = host.state()
    for failing in range(1, calls + 1):
        with SpankHost(spank) as host:
            host.be_step()
            host.say(f"fail {failing}")
            assert host.call("slurm_spank_init") == "slurm_spank_init 0"
            assert host.call("slurm_spank_task_post_fork") == "slurm_spank_task_post_fork 0"
            assert host.call("slurm_spank_task_exit") == "slurm_spank_task_exit 0"
            assert host.call("slurm_spank_exit") == "slurm_spank_exit 0"
    for event in spank.told():
        assert event.job.job_id == 7


@pytest.mark.parametrize("item", [JOB_ID, STEP_ID])
def test_a_step_without_a_name_is_counted_as_lost(spank: SpankBuild, item: int) -> None:
    with SpankHost(spank) as host:
        host.be_step({key: value for key, value in USUAL.items() if key != item})
        host.starts()
        host.call("slurm_spank_exit")
    assert spank.told() == []
    assert spank.lost() == {"step-start": 1, "step-exit": 1}


def _missing(spank: SpankBuild) -> None:
    spank.events.rmdir()


def _a_file(spank: SpankBuild) -> None:
    spank.events.rmdir()
    spank.events.write_text("")


def _a_link(spank: SpankBuild) -> None:
    spank.events.rmdir()
    spank.events.symlink_to("/tmp")


@pytest.mark.parametrize("spoil", [_missing, _a_file, _a_link])
def test_a_spoiled_dropbox_costs_the_event_and_is_counted(spank: SpankBuild, spoil: object) -> None:
    assert callable(spoil)
    spoil(spank)
    with SpankHost(spank) as host:
        host.be_step()
        assert host.call("slurm_spank_task_post_fork") == "slurm_spank_task_post_fork 0"
        assert host.call("slurm_spank_exit") == "slurm_spank_exit 0"
    assert spank.lost() == {"step-start": 1, "step-exit": 1}


def test_the_flag_file_silences_it_at_once(spank: SpankBuild) -> None:
    with SpankHost(spank) as host:
        host.be_step()
        host.starts()
        (spank.base / "off").touch()
        host.task_ends(0)
        host.call("slurm_spank_exit")
    assert [event.role for event in spank.told()] == [StepRole.START]
    (spank.base / "off").unlink()


@pytest.mark.parametrize(
    ("cgroup", "mounts"),
    [
        ("", ""),
        ("0::/", "x"),
        ("rubbish\n::::\n4:memory\n0::/step_\n", " - \n - cgroup2 cgroup2 rw\n"),
        ("0::/a/step_0/slurm\n", "1 1 0:1 / /nowhere rw - cgroup2 cgroup2 rw\n"),
        (f"0::/{'x' * 5000}/step_0\n0::/job_1/step_0\n", "y" * 9000 + "\n"),
        (f"0::/{'n' * 300}_slurmstepd.scope/job_1/step_{'1' * 1200}/slurm\n", ""),
        ("1:freezer:/step_3\n", "1 1 0:1 /sub /mnt rw - cgroup cgroup rw,cpuacct,memory\n"),
    ],
)
def test_whatever_proc_says_the_step_is_told(spank: SpankBuild, cgroup: str, mounts: str) -> None:
    (spank.proc / "cgroup").write_text(cgroup)
    (spank.proc / "mountinfo").write_text(mounts)
    _run_step(spank, 0)
    assert [event.told.cpu_s for event in spank.told()] == [None, None]


def test_it_leaves_no_descriptor_behind(spank: SpankBuild, tmp_path: Path) -> None:
    spank.be_in_recording("v1-22.05", V1_STEPD, tmp_path)
    with SpankHost(spank) as host:
        host.be_step()
        _, before = host.state()
        for _ in range(3):
            host.starts()
            host.task_ends(0)
            host.task_ends(1)
            host.call("slurm_spank_exit")
        assert host.state()[1] == before


@pytest.mark.skipif(os.geteuid() != 0, reason="a full file system needs a mount")
def test_a_full_dropbox_holds_no_half_an_event(spank: SpankBuild) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "none", spank.events], check=True)
    try:
        (spank.events / "filler").write_bytes(b"x" * 4096)
        _run_step(spank, 0)
        assert [path.name for path in spank.events.iterdir()] == ["filler"]
    finally:
        subprocess.run(["umount", spank.events], check=True)
    assert spank.lost() == {"step-start": 1, "step-exit": 1}


# --- the file that goes onto nodes


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return spank_host.build(tmp_path_factory.mktemp("spank")).plugin


def _said(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, env={"LC_ALL": "C"}).stdout


def test_its_names_are_a_closed_list(shipped: Path) -> None:
    lines = (line.split() for line in _said("nm", "-D", "--defined-only", shipped).splitlines())
    exported = {words[-1] for words in lines}
    described = {"plugin_name", "plugin_type", "plugin_version", "spank_plugin_version"}
    assert exported - described == {callback for callback in CALLBACKS if callback in exported}
    assert described <= exported


def test_it_is_hardened_and_starts_no_thread(shipped: Path) -> None:
    dynamic, segments = _said("readelf", "-W", "-d", shipped), _said("readelf", "-W", "-l", shipped)
    assert "BIND_NOW" in dynamic or "NOW" in dynamic
    assert "GNU_RELRO" in segments
    assert "RWE" not in segments
    undefined = _said("nm", "-D", "--undefined-only", shipped)
    assert "__stack_chk_fail" in undefined
    for name in ("pthread_create", "fork", "system", "popen", "signal", "sigaction", "umask", "alarm", "setitimer"):
        assert f" {name}@" not in undefined


def test_it_tells_counters_by_the_names_that_everybody_uses() -> None:
    text = (spank_host.SOURCES / "step_counters.c").read_text()
    told = [line.split('"')[1] for line in text.splitlines() if line.strip().startswith("[SL_")]
    assert told
    assert set(told) <= set(FIELD_INDEX)


# --- other releases of Slurm

HEADERS = {
    release: sorted((ROOT / ".cache/vm-packages").glob(f"libslurm-dev_{release}*.deb"))
    for release in ("24.11", "26.05")
}


@pytest.mark.slow  # a virtual machine's build leaves the headers
@pytest.mark.parametrize("release", HEADERS)
def test_the_same_source_against_the_headers_of_a_newer_release_tells_the_same(tmp_path: Path, release: str) -> None:
    """Compiled, loaded and driven; a real slurmstepd of that release refuses a plugin of any other."""
    if not HEADERS[release] or shutil.which("dpkg") is None:
        pytest.skip(f"the headers of Slurm {release} are not here: tests/vm fetches them")
    subprocess.run(["dpkg", "-x", HEADERS[release][-1], tmp_path / "headers"], check=True)
    with tempfile.TemporaryDirectory(prefix="sls-") as folder:
        spank = spank_host.build(Path(folder), "SANITIZE=1", f"SLURM_INCLUDE={tmp_path}/headers/usr/include")
        spank.prepare()
        _run_step(spank, 0, 9, environment={"SLURMLENS_TAG": "mine", "SLURMLENS_NOTIFY": "failed"})
        start, end = spank.told()
    assert (start.told.tag, start.notify, start.job.job_id) == ("mine", "failed", 7)
    assert [(one.code, one.signal, one.tasks) for one in end.told.exits] == [(0, 0, 1), (0, 9, 1)]
