"""The table of cgroup layouts: how each Slurm release names the folders of jobs, steps and tasks. Pure, no I/O.

Owns every folder name that Slurm makes and which fields (`metrics.FIELDS`) a job's cgroup offers in each layout; the
rows feed `tree`, `docs/metrics.md` and the tests on the recorded trees. Sources: Slurm's `cgroup.conf` page and
recordings of 22.05, 24.11 and 26.05.

A folder name never *proves* more than it says: `job_7` carries the job id, a SLUID folder (26.05) does not; there
root's process title does (`titles`).
"""

from __future__ import annotations

import enum
import re
from pathlib import Path

import msgspec

from slurmlens.metrics import FIELDS


class Hierarchy(enum.Enum):
    """v1: one tree per controller. v2: one tree for all."""

    V1 = "v1"
    V2 = "v2"


class CgroupPlace(msgspec.Struct, frozen=True):
    """The folders that hold one cgroup's counter files: on v2 the same folder twice. They need not exist (yet)."""

    hierarchy: Hierarchy
    cpu: Path
    memory: Path


class Layout(msgspec.Struct, frozen=True):
    """One way in which Slurm lays out a node's cgroups.

    `base` is the node's own folder below a v1 controller, or below the slice of a v2 tree; `{node}` is the NodeName.
    `fields` are those that a job's cgroup offers when the kernel has them all.
    """

    name: str
    hierarchy: Hierarchy
    base: str
    releases: str
    fields: frozenset[str]


_V1_FIELDS = frozenset(
    {
        "cpu_usage_ns",
        "cpu_user_ns",
        "cpu_system_ns",
        "memory_current_bytes",
        "memory_peak_bytes",
        "memory_limit_bytes",
        "memory_rss_bytes",
        "memory_cache_bytes",
        "memory_swap_bytes",
        "memory_max_events",
        "oom_kill_events",
    }
)
IO_AND_PIDS_FIELDS = frozenset(
    {"io_read_bytes", "io_written_bytes", "io_reads", "io_writes", "pids_current", "pids_peak"},
)
"""What a v2 job has only where somebody switched `io` and `pids` on below the scope."""

_V2_FIELDS = frozenset(field.name for field in FIELDS) - IO_AND_PIDS_FIELDS

LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "v1-multiple-slurmd",
        Hierarchy.V1,
        "slurm_{node}",
        "all with cgroup/v1, built with multiple slurmd (Debian)",
        _V1_FIELDS,
    ),
    Layout("v1", Hierarchy.V1, "slurm", "all with cgroup/v1", _V1_FIELDS),
    Layout(
        "v2-multiple-slurmd",
        Hierarchy.V2,
        "{node}_slurmstepd.scope",
        "22.05 to 26.05, built with multiple slurmd (Debian)",
        _V2_FIELDS,
    ),
    Layout("v2", Hierarchy.V2, "slurmstepd.scope", "22.05 to 26.05", _V2_FIELDS),
)
"""In the order in which they are looked for: a folder that carries the node's name is surely this node's."""

V1_MEASURING = ("cpuacct", "memory")
V1_TRACKING = "freezer"
"""The v1 controllers whose folders we read, and the one that proctrack/cgroup always makes."""

DEFAULT_SLICE = "system.slice"
"""Where Slurm puts its scope on v2, with systemd or without (`IgnoreSystemd=`), unless `CgroupSlice=` (25.11) says
otherwise."""

_JOB_ID_FOLDER = re.compile(r"job_(\d{1,10})")
_SLUID_FOLDER = re.compile(r"s[0-9A-Z]{13}")
_STEP_FOLDER = re.compile(r"step_(\d{1,10}|[a-z]+)")
_UID_FOLDER = re.compile(r"uid_(\d{1,10})")
_TASK_FOLDER = re.compile(r"task_(\d{1,10}|special)")


class JobFolderName(msgspec.Struct, frozen=True):
    """What the name of a job's folder says: the job id, or (26.05) only the SLUID."""

    job_id: int | None
    sluid: str | None


def job_folder_name(name: str) -> JobFolderName | None:
    """What `name` says about a job, None when it is no job's folder (`system`, files, strangers)."""
    numbered = _JOB_ID_FOLDER.fullmatch(name)
    if numbered:
        return JobFolderName(job_id=int(numbered[1]), sluid=None)
    if _SLUID_FOLDER.fullmatch(name):
        return JobFolderName(job_id=None, sluid=name)
    return None


def step_of_folder(name: str) -> str | None:
    """Slurm's name of the step ("0", "batch", "extern", "interactive") whose folder this is, else None."""
    found = _STEP_FOLDER.fullmatch(name)
    return found[1] if found else None


def uid_of_folder(name: str) -> int | None:
    """The user id of a v1 folder `uid_<n>`, else None."""
    found = _UID_FOLDER.fullmatch(name)
    return int(found[1]) if found else None


def is_task_folder(name: str) -> bool:
    """Whether this is a task's folder. Its number is not to be trusted: local or global id, by release and
    controller."""
    return _TASK_FOLDER.fullmatch(name) is not None


def step_place(job: CgroupPlace, step_folder: str) -> CgroupPlace:
    """The cgroup that counts a step's processes. On v2 that is `step_N/user`: beside it slurmstepd has its own
    folder."""
    if job.hierarchy is Hierarchy.V2:
        folder = job.cpu / step_folder / "user"
        return CgroupPlace(Hierarchy.V2, folder, folder)
    return CgroupPlace(Hierarchy.V1, job.cpu / step_folder, job.memory / step_folder)
