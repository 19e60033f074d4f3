"""The real SPANK plugin in a fake slurmstepd, srun or slurmd: slurm_hooks/spank/tests/fake_host.c, line by line."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from slurmlens.hook_events import StepEvent
from slurmlens.wire import step
from testkit.checkout import ROOT
from testkit.recorded_cgroups import RECORDING_BY_NAME, unpack

SOURCES = ROOT / "slurm_hooks" / "spank"
HEADER = Path("/usr/include/slurm/spank.h")
CALLBACKS = (
    "slurm_spank_init",
    "slurm_spank_job_prolog",
    "slurm_spank_init_post_opt",
    "slurm_spank_local_user_init",
    "slurm_spank_user_init",
    "slurm_spank_task_init_privileged",
    "slurm_spank_task_init",
    "slurm_spank_task_post_fork",
    "slurm_spank_task_exit",
    "slurm_spank_job_epilog",
    "slurm_spank_slurmd_exit",
    "slurm_spank_exit",
)
CONTEXTS = ("local", "remote", "allocator", "slurmd", "job_script", "error")

UID, GID, JOB_ID, STEP_ID, NODE_INDEX, LOCAL_TASKS, TASKS = 0, 1, 2, 3, 5, 6, 7
TASK_GLOBAL_ID, TASK_EXIT_STATUS = 12, 13
STEP_CORES, STEP_MEMORY, RESTART_COUNT = 27, 28, 29
"""Items by their number in enum spank_item (spank.h), which Slurm only ever adds to at the end."""

USUAL = {
    UID: 2000,
    GID: 2000,
    JOB_ID: 7,
    STEP_ID: 0,
    NODE_INDEX: 0,
    LOCAL_TASKS: 2,
    TASKS: 2,
    RESTART_COUNT: 0,
    STEP_MEMORY: 600,
}


@dataclass(frozen=True)
class SpankBuild:
    """Plugin and host, compiled for folders of the test's own: `base` is its /run/slurmlens, `proc` its /proc/self."""

    plugin: Path
    host: Path
    base: Path
    proc: Path

    @property
    def events(self) -> Path:
        return self.base / "events"

    def prepare(self) -> None:
        """The folders as tmpfiles.d makes them, empty; a process that is in no cgroup of Slurm's."""
        for folder in (self.base, self.proc):
            shutil.rmtree(folder, ignore_errors=True)
        self.events.mkdir(parents=True)
        (self.base / "lost").mkdir()
        self.proc.mkdir()

    def be_in(self, path: str, root: Path, *, v1: bool = False) -> None:
        """This process is in that cgroup, and the mounts are those below `root` (a recorded tree)."""
        mounts = root / "sys/fs/cgroup"
        if v1:
            cgroups = [f"4:memory:{path}", "2:cpuacct:/", "0::/"]
            lines = [f"35 31 0:32 / {mounts}/{name} rw - cgroup cgroup rw,{name}" for name in ("cpuacct", "memory")]
        else:
            cgroups = [f"0::{path}"]
            lines = [f"41 31 0:38 / {mounts} rw - cgroup2 cgroup2 rw"]
        (self.proc / "cgroup").write_text("".join(f"{line}\n" for line in cgroups))
        lines.insert(0, "22 1 0:1 / /proc rw - proc proc rw")
        (self.proc / "mountinfo").write_text("".join(f"{line}\n" for line in lines))

    def be_in_recording(self, name: str, path: str, target: Path) -> Path:
        """This process is slurmstepd's of a recorded step; answers with the tree's root."""
        recording = RECORDING_BY_NAME[name]
        root = unpack(recording, target)
        self.be_in(path, root, v1=name.startswith("v1"))
        return root

    def told(self) -> list[StepEvent]:
        """All events in the dropbox, the oldest first."""
        return [step.decode(path.read_bytes()) for path in sorted(self.events.rglob("*.json"))]

    def lost(self) -> dict[str, int]:
        return {path.name: path.stat().st_size for path in (self.base / "lost").iterdir()}


class SpankHost:
    """One process that has the plugin loaded; every command is answered before the next one is sent."""

    def __init__(self, build: SpankBuild) -> None:
        self._process = subprocess.Popen(
            [build.host, build.plugin],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="surrogateescape",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        _, said = self._process.communicate(timeout=60)
        if kind is None:
            assert self._process.returncode == 0, said

    def say(self, command: str) -> str:
        """Send one command; answers with the host's line."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().rstrip("\n")

    def be_step(self, numbers: Mapping[int, int] = USUAL, environment: Mapping[str, str] | None = None) -> None:
        """What a slurmstepd says of its step."""
        self.say("context remote")
        for item, value in numbers.items():
            self.say(f"number {item} {value}")
        self.say(f"text {STEP_CORES} 0-1")
        for name, value in (environment or {}).items():
            self.say(f"env {name}={value}")

    def call(self, callback: str) -> str:
        return self.say(f"call {callback}")

    def starts(self) -> None:
        self.call("slurm_spank_init")
        self.call("slurm_spank_task_post_fork")

    def task_ends(self, task: int, status: int = 0) -> None:
        self.say(f"number {TASK_GLOBAL_ID} {task}")
        self.say(f"number {TASK_EXIT_STATUS} {status & 0xFFFFFFFF}")
        self.call("slurm_spank_task_exit")

    def state(self) -> tuple[int, int]:
        """How often the plugin asked Slurm for something, and how many descriptors are open."""
        words = self.say("state").split()
        return int(words[1]), int(words[3])


def build(folder: Path, *options: str) -> SpankBuild:
    """Compile plugin and host; `options` as in slurm_hooks/spank/Makefile (`SANITIZE=1`)."""
    made = SpankBuild(folder / "spank_slurmlens.so", folder / "fake_host", folder / "run", folder / "proc")
    subprocess.run(
        [
            "make",
            "-s",
            "-C",
            SOURCES,
            "all",
            "host",
            f"BUILD={folder}",
            f"RUN_BASE={made.base}",
            f"PROC_SELF={made.proc}",
            f"SYSLOG_SOCKET={folder}/log",
            f"JOURNAL_SOCKET={folder}/journal",
            *options,
        ],
        check=True,
        capture_output=True,
    )
    return made
