"""Log lines as values: what a line said, and what of it was understood.

Owns the types that a line has on its whole way: made by the inputs of a node or of the hub, understood by the tables of
`slurm.log_kinds` and `wire.kernel_lines`, kept by the hub's `logs`. A line that nobody understands has no fact and is
kept all the same. Nothing here reads bytes or does I/O.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import msgspec


class Severity(enum.IntEnum):
    """Syslog's severities (RFC 5424, section 6.2.1)."""

    EMERGENCY = 0
    ALERT = 1
    CRITICAL = 2
    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6
    DEBUG = 7


class JobMention(NamedTuple):
    """Which job or step a line names, in whichever of Slurm's spellings.

    `job_id` is the job's own id: of a task written as `10_3(13)` it is 13. A line can name a job by its SLUID alone.
    """

    job_id: int | None = None
    array_job_id: int | None = None
    array_task_id: int | None = None
    het_job_id: int | None = None
    het_job_offset: int | None = None
    step: str | None = None
    sluid: str | None = None


class LineFact(NamedTuple):
    """What a line was understood to say: its kind, the job and the nodes that it is about, and what else it tells.

    `nodes` is a hostlist as it stood; `fields` have the names and units of the kind's row in the table.
    """

    kind: str
    job: JobMention | None = None
    nodes: str | None = None
    fields: Mapping[str, str | int] = MappingProxyType({})


class JobSource(enum.StrEnum):
    """By what a line was given to its job, the surest first."""

    CGROUP = "cgroup"
    TEXT = "text"
    TAG = "tag"
    PROCESS = "process"
    TIME = "time"


class LogLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One line, or one message of several lines, of any program on any node.

    `time_ns` is the program's own time where it told a whole one, else when the line was read. `id` is made by whoever
    read it first and stays the same when it is read again. `repeats` counts equal lines that followed and were folded.
    """

    id: str
    time_ns: int
    node: str
    message: str
    program: str | None = None
    pid: int | None = None
    severity: int = Severity.INFO.value
    facility: int | None = None
    unit: str | None = None
    cgroup: str | None = None
    user_id: int | None = None
    source: str | None = None
    is_cut: bool = False
    repeats: int = 0
    kind: str | None = None
    job_id: int | None = None
    array_job_id: int | None = None
    array_task_id: int | None = None
    step: str | None = None
    sluid: str | None = None
    job_source: JobSource | None = None
    contradiction: str | None = None
    fields: dict[str, str | int] = {}
