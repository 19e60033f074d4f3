"""200 real jobs' cgroups with one small process in each, shaped as Slurm 22.05 shapes them on cgroup v1.

Owns every folder below `<controller>/slurm_lensbench<N>/uid_1000/job_J/step_0/task_0` and the workers in them. Made
by `run` once for all cases; read by the daemon (which finds the jobs by rediscovery), the reference loop and
collectd.

Invariants: at most one benchmark runs on a machine (a lock file); leaving the `with` block removes everything; what
a killed benchmark left (its workers die with it) is removed before the next one begins.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.result import NotMeasurable

NODE_PREFIX = "lensbench"
USER_ID = 1000
FIRST_JOB_ID = 700_000
# Those in which Slurm 22.05 makes folders and which slurmlens looks at; in pids and blkio it makes none.
CONTROLLERS = ("cpuacct", "memory", "freezer")
MEMORY_LIMIT_BYTES = 64 * 1024 * 1024
REMOVAL_DEADLINE_S = 10.0


def hierarchies() -> dict[str, Path]:
    """Where each v1 controller is mounted, by its name."""
    found: dict[str, Path] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup":
            for option in options.split(","):
                found.setdefault(option, Path(before.split(" ")[4]))
    return found


class Tree:
    """The cgroups of `job_count` jobs; a context manager. `node` is the NodeName to tell the daemon."""

    def __init__(self, worker: Path, job_count: int = 200) -> None:
        self.node = f"{NODE_PREFIX}0"
        self.job_ids = tuple(range(FIRST_JOB_ID, FIRST_JOB_ID + job_count))
        self._worker = worker
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._lock: int | None = None
        mounted = hierarchies()
        missing = [name for name in CONTROLLERS if name not in mounted]
        if missing or os.geteuid() != 0:
            raise NotMeasurable(f"needs root and cgroup v1 with {', '.join(missing or CONTROLLERS)}")
        self.mounts = {name: mounted[name] for name in CONTROLLERS}

    def user_folder(self, controller: str) -> Path:
        """The folder that holds the jobs' folders; what collectd is shown as its whole hierarchy."""
        return self.mounts[controller] / f"slurm_{self.node}" / f"uid_{USER_ID}"

    def job_folder(self, controller: str, job_id: int) -> Path:
        return self.user_folder(controller) / f"job_{job_id}"

    def __enter__(self) -> Self:
        self._lock = _lock_machine()
        remove_leftovers(self.mounts)
        try:
            for job_id in self.job_ids:
                self._start_job(job_id)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kill(list(self._processes))
        remove_leftovers(self.mounts)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextmanager
    def cut_to(self, job_count: int) -> Iterator[None]:
        """Only the first so many jobs are there inside the `with` block."""
        others = self.job_ids[job_count:]
        self._kill(others)
        for job_id in others:
            remove_jobs(self.job_folder(controller, job_id) for controller in self.mounts)
        try:
            yield
        finally:
            for job_id in others:
                self._start_job(job_id)

    def _kill(self, job_ids: Sequence[int]) -> None:
        processes = [self._processes.pop(job_id) for job_id in job_ids]
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()

    def _start_job(self, job_id: int) -> None:
        process = subprocess.Popen([self._worker, str(job_id)], stdin=subprocess.DEVNULL)
        self._processes[job_id] = process
        for controller in self.mounts:
            job = self.job_folder(controller, job_id)
            task = job / "step_0" / "task_0"
            task.mkdir(parents=True)
            if controller == "memory":
                (job / "memory.limit_in_bytes").write_text(str(MEMORY_LIMIT_BYTES))
            (task / "cgroup.procs").write_text(str(process.pid))

    def pause(self) -> None:
        """Stops the workers, for cases in which they would be noise."""
        for process in self._processes.values():
            process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        for process in self._processes.values():
            process.send_signal(signal.SIGCONT)


def _lock_machine() -> int:
    path = Path(tempfile.gettempdir()) / "slurmlens-bench.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise NotMeasurable("another benchmark holds the cgroups of this machine") from None
    return descriptor


def remove_leftovers(mounts: dict[str, Path]) -> None:
    """Removes every folder of a benchmark, deepest first; waits for processes that are still dying."""
    for mount in mounts.values():
        remove_jobs(mount.glob(f"slurm_{NODE_PREFIX}*"))


def remove_jobs(roots: Iterable[Path]) -> None:
    """Removes these folders and all below them; waits for processes that are still dying."""
    deadline_s = time.monotonic() + REMOVAL_DEADLINE_S
    for root in roots:
        folders = [*root.rglob("*/"), root]
        for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
            _remove(folder, deadline_s)


def _remove(folder: Path, deadline_s: float) -> None:
    while folder.is_dir():
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:  # EBUSY: a killed process is counted until the kernel has finished with it
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.01)
