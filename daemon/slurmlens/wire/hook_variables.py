"""What the variables of Slurm's Prolog and Epilog mean, in every release from 22.05 to 26.05; pure.

Owns both ways from variables to a `JobIdentity`: `job_of` takes `Told`, which msgspec has typed and bounded already
(nearly every event goes this way); `identify` takes the values as they were spelt, one at a time.
Invariants: where `Told` accepts a file and `job_of` does not raise, `identify` says the same of it and finds nothing
unusable (a property test compares them); a variable that cannot be what it should be costs that one field, never the
event, unless it is the job's id. Used by `wire.hook` alone.
"""

import functools
import re
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any

import msgspec

from slurmlens.errors import DecodeError
from slurmlens.events import JobIdentity, Unsigned

NO_VALUE = 0xFFFF_FFFE
"""Slurm's NO_VAL and everything above it (INFINITE) mean "not set" in its 32-bit numbers."""

Spelt = str | int
"""A value as it stands in the file: a number may stand outside quotes."""

_DIGITS = re.compile(r"[0-9]{1,19}", re.ASCII)
_CODE_AND_SIGNAL = re.compile(r"([0-9]{1,5}):([0-9]{1,3})", re.ASCII)


def _text(value: Spelt) -> str:
    return str(value)


def _number(value: Spelt) -> int:
    # int() also takes leading zeros; what it alone would take besides (signs, blanks, other scripts) is no number here.
    spelt = int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value
    return msgspec.convert(spelt, Unsigned, strict=False)


def _slurm_number(value: Spelt) -> int | None:
    """A 32-bit number of Slurm's; None where it says that there is none."""
    number = _number(value)
    if number > 0xFFFF_FFFF:
        raise ValueError(value)
    return None if number >= NO_VALUE else number


def _job_number(value: Spelt) -> int | None:
    """A job id; 0 stands for none."""
    return _slurm_number(value) or None


def _time(value: Spelt) -> int | None:
    """Seconds since the epoch; 0 stands for not known yet."""
    return _number(value) or None


def _derived_code(value: Spelt) -> int | None:
    status = _slurm_number(value)
    return None if status is None else _shell_code(status)


def _shell_code(status: int) -> int:
    """SLURM_JOB_DERIVED_EC is the worst step's wait(2) status; as a shell says it: the code, or 128 + signal."""
    signal = status & 0x7F
    return 128 + signal if signal else (status >> 8) & 0xFF


@functools.lru_cache(maxsize=256)  # nearly every job says one of a few
def _code_and_signal(value: str | None) -> tuple[int | None, int | None]:
    """SLURM_JOB_EXIT_CODE2 is "code:signal"; not set where slurmd does not know (a node that comes back)."""
    if not value:
        return None, None
    match = _CODE_AND_SIGNAL.fullmatch(value)
    if match is None:
        raise ValueError(value)
    return int(match[1]), int(match[2])


_SOURCES: tuple[tuple[str, tuple[str, ...], Callable[[Spelt], Spelt | None]], ...] = (
    ("sluid", ("SLURM_JOB_SLUID",), _text),
    ("restart_count", ("SLURM_JOB_RESTART_COUNT",), _slurm_number),
    ("user_id", ("SLURM_JOB_UID", "SLURM_UID"), _slurm_number),
    ("user_name", ("SLURM_JOB_USER",), _text),
    ("group_id", ("SLURM_JOB_GID",), _slurm_number),
    ("account", ("SLURM_JOB_ACCOUNT",), _text),
    ("partition", ("SLURM_JOB_PARTITION",), _text),
    ("qos", ("SLURM_JOB_QOS",), _text),
    ("job_name", ("SLURM_JOB_NAME",), _text),
    ("array_job_id", ("SLURM_ARRAY_JOB_ID",), _job_number),
    ("array_task_id", ("SLURM_ARRAY_TASK_ID",), _slurm_number),
    ("het_job_id", ("SLURM_HET_JOB_ID", "SLURM_PACK_JOB_ID"), _job_number),
    ("het_job_offset", ("SLURM_HET_JOB_OFFSET", "SLURM_PACK_JOB_OFFSET"), _slurm_number),
    ("node_list", ("SLURM_JOB_NODELIST", "SLURM_NODELIST"), _text),
    ("node_count", ("SLURM_JOB_NUM_NODES", "SLURM_NNODES"), _slurm_number),
    ("task_count", ("SLURM_JOB_NTASKS", "SLURM_NTASKS"), _slurm_number),
    ("cpus_per_node", ("SLURM_JOB_CPUS_PER_NODE",), _text),
    ("gpus", ("SLURM_JOB_GPUS",), _text),
    ("start_time_s", ("SLURM_JOB_START_TIME",), _time),
    ("end_time_s", ("SLURM_JOB_END_TIME",), _time),
    ("derived_exit_code", ("SLURM_JOB_DERIVED_EC",), _derived_code),
)
"""Field of `JobIdentity`, the variables that tell it (the first one that is set counts), how to read it."""

TEXT_FIELDS = tuple(field for field, _, read in _SOURCES if read is _text)


def fields_of(variables: Collection[str]) -> tuple[str, ...]:
    """The fields of `JobIdentity` that these variables set; an older name holds the same as the newer one."""
    return tuple(field for field, names, _ in _SOURCES if any(name in variables for name in names))


_JOB_ID = ("SLURM_JOB_ID", "SLURM_JOBID")
_EXIT_CODE = "SLURM_JOB_EXIT_CODE2"
CLUSTER = "SLURM_CLUSTER_NAME"
NODE = "SLURMD_NODENAME"

_SOURCE_NAMES = {name: read is not _text for _, names, read in _SOURCES for name in names}
_IS_NUMBER = {**dict.fromkeys(_JOB_ID, True), CLUSTER: False, NODE: False, _EXIT_CODE: False, **_SOURCE_NAMES}

VARIABLES = tuple(_IS_NUMBER)
"""All that is read; `slurm_hooks/variables.h` must list each of them."""

AsSpelt = msgspec.defstruct(
    "AsSpelt", [(name, Spelt if is_number else str, "") for name, is_number in _IS_NUMBER.items()], frozen=True
)
"""The variables as they stand in the file: texts are texts, what should be a number may be any text."""

_SlurmNumber = Annotated[int, msgspec.Meta(ge=0, lt=NO_VALUE)]
_JobNumber = Annotated[int, msgspec.Meta(ge=1, lt=NO_VALUE)]


def _variable(name: str) -> Any:
    """None where it is not set. The field's type does not say so, else `null` would be a value of it."""
    return msgspec.field(default=None, name=name)


class Told(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The variables where all is as it should be, each typed and bounded while it is decoded.

    In the emitter's order, which msgspec follows without searching. Required is what every release's slurmd sets; the
    older names of those are only checked. A number that says "not set" (0 for a job, NO_VAL) is left to `identify`.
    """

    job_id: _JobNumber = msgspec.field(name="SLURM_JOB_ID")
    older_job_id: _JobNumber = _variable("SLURM_JOBID")
    cluster: str = _variable(CLUSTER)
    node: str = _variable(NODE)
    sluid: str = _variable("SLURM_JOB_SLUID")
    restart_count: _SlurmNumber = _variable("SLURM_JOB_RESTART_COUNT")
    start_time_s: Unsigned = _variable("SLURM_JOB_START_TIME")
    end_time_s: Unsigned = _variable("SLURM_JOB_END_TIME")
    user_id: _SlurmNumber = msgspec.field(name="SLURM_JOB_UID")
    older_user_id: _SlurmNumber = _variable("SLURM_UID")
    user_name: str = _variable("SLURM_JOB_USER")
    group_id: _SlurmNumber = _variable("SLURM_JOB_GID")
    account: str = _variable("SLURM_JOB_ACCOUNT")
    partition: str = _variable("SLURM_JOB_PARTITION")
    qos: str = _variable("SLURM_JOB_QOS")
    exit_code_and_signal: str = _variable(_EXIT_CODE)
    derived_status: _SlurmNumber = _variable("SLURM_JOB_DERIVED_EC")
    array_job_id: _JobNumber = _variable("SLURM_ARRAY_JOB_ID")
    array_task_id: _SlurmNumber = _variable("SLURM_ARRAY_TASK_ID")
    het_job_id: _JobNumber = _variable("SLURM_HET_JOB_ID")
    older_het_job_id: _JobNumber = _variable("SLURM_PACK_JOB_ID")
    het_job_offset: _SlurmNumber = _variable("SLURM_HET_JOB_OFFSET")
    older_het_job_offset: _SlurmNumber = _variable("SLURM_PACK_JOB_OFFSET")
    node_count: _SlurmNumber = msgspec.field(name="SLURM_JOB_NUM_NODES")
    older_node_count: _SlurmNumber = _variable("SLURM_NNODES")
    task_count: _SlurmNumber = _variable("SLURM_JOB_NTASKS")
    older_task_count: _SlurmNumber = _variable("SLURM_NTASKS")
    cpus_per_node: str = _variable("SLURM_JOB_CPUS_PER_NODE")
    gpus: str = _variable("SLURM_JOB_GPUS")
    job_name: str = _variable("SLURM_JOB_NAME")
    node_list: str = _variable("SLURM_JOB_NODELIST")
    older_node_list: str = _variable("SLURM_NODELIST")


def job_of(told: Told) -> JobIdentity:
    """Who the job is. Raises ValueError where one variable is not what it should be: `identify` then says which.

    By position, in the order of `JobIdentity`: naming 24 fields costs as much as decoding them.
    """
    exit_code, exit_signal = _code_and_signal(told.exit_code_and_signal)
    return JobIdentity(
        told.job_id,
        told.sluid or None,
        told.restart_count,
        told.user_id,
        told.user_name or None,
        told.group_id,
        told.account or None,
        told.partition or None,
        told.qos or None,
        told.job_name or None,
        told.array_job_id,
        told.array_task_id,
        told.older_het_job_id if told.het_job_id is None else told.het_job_id,
        told.older_het_job_offset if told.het_job_offset is None else told.het_job_offset,
        told.node_list or told.older_node_list or None,
        told.node_count,
        told.older_task_count if told.task_count is None else told.task_count,
        told.cpus_per_node or None,
        told.start_time_s or None,
        told.end_time_s or None,
        exit_code,
        exit_signal,
        told.derived_status and _shell_code(told.derived_status),
        told.gpus or None,
    )


def identify(env: Mapping[str, Spelt]) -> tuple[JobIdentity, tuple[str, ...]]:
    """Who the job is by the variables that are set, and the names of those that cannot be read.

    Raises DecodeError (`job_id`) where none says which job it is.
    """
    found: dict[str, Spelt | None] = {}
    unusable: list[str] = []
    for field, names, read in _SOURCES:
        name = next((name for name in names if name in env), None)
        if name is None:
            continue
        try:
            found[field] = read(env[name])
        except ValueError:
            unusable.append(name)
    try:
        found["exit_code"], found["exit_signal"] = _code_and_signal(env.get(_EXIT_CODE))
    except ValueError:
        unusable.append(_EXIT_CODE)
    job = JobIdentity(job_id=_job_id(env), **found)  # type: ignore[arg-type]  # the table pairs fields with readers
    return job, tuple(unusable)


def _job_id(env: Mapping[str, Spelt]) -> int:
    for name in _JOB_ID:
        if name not in env:
            continue
        try:
            job_id = _job_number(env[name])
        except ValueError:
            job_id = None
        if job_id is None:
            raise DecodeError(f"env.{name}: {str(env[name])[:40]!r} is no job id", reason="job_id")
        return job_id
    raise DecodeError("env.SLURM_JOB_ID: missing, so the event is nobody's", reason="job_id")
