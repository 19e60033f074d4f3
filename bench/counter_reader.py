"""Our C reader on the tree, in this process: what P1 and P4 time.

Owns the opened cgroups of all jobs and steps of the tree, chosen as the node daemon chooses them, and tells which
descriptors they hold, so that the bare loop can read the very same ones.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bench.file_schedule import watch
from bench.result import NotMeasurable
from bench.tree import Tree

if TYPE_CHECKING:
    from slurmlens.cgroup.reader import ReadingBatch

WATCHED_SECONDS = 2
WATCHED_READINGS = 8


def open_tree(tree: Tree, fields: frozenset[str]) -> ReadingBatch:
    """Opens jobs and steps for `fields`; NotMeasurable where the C extension is not built."""
    try:
        from slurmlens.cgroup.mounts import CgroupLocator
        from slurmlens.cgroup.reader import CgroupReader
        from slurmlens.cgroup.tree import CgroupTree
    except ImportError as error:
        raise NotMeasurable(f"the C reader is not built: {error}") from error
    found = CgroupLocator(Path("/"), tree.node).find()
    if found is None:
        raise NotMeasurable("our own tree of cgroups was not found")
    reader = CgroupReader()
    opened = []
    for job in CgroupTree(found, Path("/proc")).jobs():
        opened.append(reader.open_job(job.place, fields))
        opened += [reader.open_step(step.place) for step in job.steps]
    return reader.batch(opened)


def files_read(batch: ReadingBatch, folder: Path) -> frozenset[Path]:
    """The files that one fast reading really reads, seen by strace on a child of this process."""
    pid = os.fork()
    if pid == 0:
        try:
            for _ in range(WATCHED_READINGS):
                time.sleep(WATCHED_SECONDS / WATCHED_READINGS)
                batch.read()
        finally:
            os._exit(0)
    try:
        return frozenset(watch(pid, WATCHED_SECONDS, folder).reads)
    finally:
        os.waitpid(pid, 0)


def counter_descriptors(wanted: frozenset[Path]) -> list[int]:
    """This process' open descriptors on the wanted files, in the order in which they were opened; one of each file,
    however often we opened it: reading one twice is our own expense."""
    found: dict[Path, int] = {}
    for descriptor in sorted(int(name) for name in os.listdir("/proc/self/fd")):
        try:
            target = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        except FileNotFoundError:  # the descriptor of this very listing
            continue
        if target in wanted:
            found.setdefault(target, descriptor)
    return sorted(found.values())


def cpu_of(work: Callable[[], object]) -> float:
    """CPU nanoseconds of this thread for one call of `work`."""
    before_ns = time.thread_time_ns()
    work()
    return time.thread_time_ns() - before_ns
