"""What the variables of Slurm's Prolog and Epilog mean, in every release from 22.05 to 26.05; pure.

Owns the table of variables and the way from them to a `JobIdentity`, one value at a time.
Invariant: a variable that cannot be what it should be costs that one field, never the event, unless it is the job's id.
Used by `wire.hook` alone.
"""

import functools
import re
from collections.abc import Callable, Collection, Mapping

import msgspec

from slurmlens.errors import DecodeError
from slurmlens.events import JobIdentity, Unsigned

NO_VALUE = 0xFFFF_FFFE
"""Slurm's NO_VAL and everything above it (INFINITE) mean "not set" in its 32-bit numbers."""

Spelt = str | int
"""A value as it stands in the file: a number may stand outside quotes."""

_DIGITS = re.compile(r"[0-9]{1,19}", re.ASCII)
_CODE_AND_SIGNAL = re.compile(r"([0-9]{1,5}):([0-9]{1,3})", re.ASCII)


def as_text(value: Spelt) -> str:
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


SOURCES: tuple[tuple[str, tuple[str, ...], Callable[[Spelt], Spelt | None]], ...] = (
    ("sluid", ("SLURM_JOB_SLUID",), as_text),
    ("restart_count", ("SLURM_JOB_RESTART_COUNT",), _slurm_number),
    ("user_id", ("SLURM_JOB_UID", "SLURM_UID"), _slurm_number),
    ("user_name", ("SLURM_JOB_USER",), as_text),
    ("group_id", ("SLURM_JOB_GID",), _slurm_number),
    ("account", ("SLURM_JOB_ACCOUNT",), as_text),
    ("partition", ("SLURM_JOB_PARTITION",), as_text),
    ("qos", ("SLURM_JOB_QOS",), as_text),
    ("job_name", ("SLURM_JOB_NAME",), as_text),
    ("array_job_id", ("SLURM_ARRAY_JOB_ID",), _job_number),
    ("array_task_id", ("SLURM_ARRAY_TASK_ID",), _slurm_number),
    ("het_job_id", ("SLURM_HET_JOB_ID", "SLURM_PACK_JOB_ID"), _job_number),
    ("het_job_offset", ("SLURM_HET_JOB_OFFSET", "SLURM_PACK_JOB_OFFSET"), _slurm_number),
    ("node_list", ("SLURM_JOB_NODELIST", "SLURM_NODELIST"), as_text),
    ("node_count", ("SLURM_JOB_NUM_NODES", "SLURM_NNODES"), _slurm_number),
    ("task_count", ("SLURM_JOB_NTASKS", "SLURM_NTASKS"), _slurm_number),
    ("cpus_per_node", ("SLURM_JOB_CPUS_PER_NODE",), as_text),
    ("gpus", ("SLURM_JOB_GPUS",), as_text),
    ("start_time_s", ("SLURM_JOB_START_TIME",), _time),
    ("end_time_s", ("SLURM_JOB_END_TIME",), _time),
    ("derived_exit_code", ("SLURM_JOB_DERIVED_EC",), _derived_code),
)
"""Field of `JobIdentity`, the variables that tell it (the first one that is set counts), how to read it."""


def fields_of(variables: Collection[str]) -> tuple[str, ...]:
    """The fields of `JobIdentity` that these variables set; an older name holds the same as the newer one."""
    return tuple(field for field, names, _ in SOURCES if any(name in variables for name in names))


_JOB_ID = ("SLURM_JOB_ID", "SLURM_JOBID")
_EXIT_CODE = "SLURM_JOB_EXIT_CODE2"
CLUSTER = "SLURM_CLUSTER_NAME"
NODE = "SLURMD_NODENAME"

_SOURCE_NAMES = {name: read is not as_text for _, names, read in SOURCES for name in names}
IS_NUMBER = {**dict.fromkeys(_JOB_ID, True), CLUSTER: False, NODE: False, _EXIT_CODE: False, **_SOURCE_NAMES}

VARIABLES = tuple(IS_NUMBER)
"""All that is read; `slurm_hooks/variables.h` must list each of them."""

AsSpelt = msgspec.defstruct(
    "AsSpelt", [(name, Spelt if is_number else str, "") for name, is_number in IS_NUMBER.items()], frozen=True
)
"""The variables as they stand in the file: texts are texts, what should be a number may be any text."""


def identify(env: Mapping[str, Spelt]) -> tuple[JobIdentity, tuple[str, ...]]:
    """Who the job is by the variables that are set, and the names of those that cannot be read.

    Raises DecodeError (`job_id`) where none says which job it is.
    """
    found: dict[str, Spelt | None] = {}
    unusable: list[str] = []
    for field, names, read in SOURCES:
        name = _first_set(names, env)
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


def _first_set(names: tuple[str, ...], env: Mapping[str, Spelt]) -> str | None:
    for name in names:
        if name in env:
            return name
    return None


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
