"""Whose step a cgroup is, told by root's own processes: the title `slurmstepd: [3.batch]`.

Owns the only way in which a job id is learned that no folder name says (SLUID folders of 26.05). A user can forge an
environment and, through a set-uid program, even a title; so a title counts only for a process whose real, effective,
saved and file-system uid are all 0 and that is in slurmstepd's own folder of the step, where users' tasks are never
put.

Reads `<proc>/PID/{status,cmdline}`: world-readable, needs no right. Feeds `tree`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

_TITLE = re.compile(rb"slurmstepd: \[(\d{1,10})\.(\d{1,10}|[a-z]+)(?:\+\d+)?\][\s\0]*")
_PROCS_LIMIT = 4096
"""Bytes of a `cgroup.procs` that are looked at: slurmstepd's folder holds a handful of processes."""


class StepTitle(msgspec.Struct, frozen=True):
    """What slurmstepd calls itself."""

    job_id: int
    step: str


def parse_title(cmdline: bytes) -> StepTitle | None:
    """Decodes `/proc/PID/cmdline` of a slurmstepd, None for any other process."""
    found = _TITLE.fullmatch(cmdline)
    return StepTitle(int(found[1]), found[2].decode()) if found else None


def parse_uids(status: str) -> tuple[int, ...]:
    """Real, effective, saved and file-system uid from `/proc/PID/status`, empty when it has none."""
    for line in status.splitlines():
        if line.startswith("Uid:"):
            words = line.split()[1:5]
            return tuple(int(word) for word in words) if all(word.isdecimal() for word in words) else ()
    return ()


def process_ids(folder: Path) -> tuple[int, ...]:
    """The processes of one cgroup folder (not of those below), none where it has gone."""
    try:
        with (folder / "cgroup.procs").open("rb") as file:
            words = file.read(_PROCS_LIMIT).split()
    except OSError:
        return ()
    return tuple(int(word) for word in words if word.isdigit())


def title_of_step(proc: Path, folders: Iterable[Path]) -> StepTitle | None:
    """The title of the slurmstepd found in one of `folders`; None while there is none (ask again, do not guess)."""
    for folder in folders:
        for pid in process_ids(folder):
            title = _roots_title(proc / str(pid))
            if title is not None:
                return title
    return None


def user_of_tasks(proc: Path, folders: Iterable[Path]) -> int | None:
    """The user id of the tasks in `folders`. Root's are not told: a task is root's until slurmstepd has changed its
    user."""
    for folder in folders:
        for pid in process_ids(folder):
            uids = _uids(proc / str(pid))
            if uids and uids[0] != 0:
                return uids[0]
    return None


def _uids(process: Path) -> tuple[int, ...]:
    try:
        return parse_uids((process / "status").read_text("utf-8", "replace"))
    except OSError:
        return ()


def _roots_title(process: Path) -> StepTitle | None:
    if _uids(process) != (0, 0, 0, 0):
        return None
    try:
        return parse_title((process / "cmdline").read_bytes())
    except OSError:
        return None
