"""Which event files of a v1 cgroup have to be added to its own counts.

Owns one fact: on v1 the kernel counts an OOM kill in the folder of the task that died, and a refused charge in the
folder and by the counter whose limit it met (`memory.failcnt`, or `memory.memsw.failcnt` where Slurm constrains swap),
and nowhere above. Measured on 6.18, which counts no charge that `memsw` refuses at all; v2 counts in all folders above.
So a step's kills are the sum over its tasks, and a job's refused charges the sum over its steps; a job's kills are
added up from its steps' readings, so that no file is read twice. Feeds `reader`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from slurmlens.cgroup.layout import is_task_folder, step_of_folder

KILLED = "oom_kill_events"
REFUSED = "memory_max_events"


def event_files_of_job(memory: Path) -> Iterator[tuple[str, str]]:
    """(field, file below the folder) of every step of a job's folder in the memory controller."""
    yield REFUSED, "memory.memsw.failcnt"
    for step in _subfolders(memory):
        if step_of_folder(step) is not None:
            yield REFUSED, f"{step}/memory.failcnt"
            yield REFUSED, f"{step}/memory.memsw.failcnt"


def event_files_of_step(memory: Path) -> Iterator[tuple[str, str]]:
    """(field, file below the folder) of every task of a step's folder in the memory controller."""
    for task in _subfolders(memory):
        if is_task_folder(task):
            yield KILLED, f"{task}/memory.oom_control"


def _subfolders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []
