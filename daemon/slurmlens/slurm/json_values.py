"""The value shapes of Slurm's JSON and of pyslurm's dictionaries.

Owns the knowledge that old releases write plain numbers and strings where later ones write `{set, infinite, number}`
and lists of flags; pure. Every reader takes whatever stands there and answers None for what is not set, infinite or one
of Slurm's "no value" numbers, and `UNKNOWN` for a shape never seen or a value that cannot be: a field that drifts
becomes unavailable, is counted, and spoils nothing else.

Bounds: whole numbers below 2^63 (what the database keeps), times before the year 10000, texts of `MAX_TEXT_CHARS`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeVar

from slurmlens.slurm.amounts import MIB, limit_s, tres_amounts
from slurmlens.slurm.job_ids import MAX_JOB_ID


class Unknown(enum.Enum):
    """The one value that says: something was told, in a shape that we have not learned."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN

Value = TypeVar("Value")
Read = Callable[[Any], Any]

MAX_TEXT_CHARS = 1024
MAX_WORDS = 4096
MAX_TIME_S = 253_402_300_799
"""The last second of the year 9999: no calendar of Python's goes further."""

MAX_LIMIT_MINUTES = 100 * 366 * 24 * 60

_MAX_NUMBER = 2**63 - 1
_NO_VALUES = frozenset({0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFE, 0xFFFFFFFFFFFFFFFF, -2, -1})
"""NO_VAL, INFINITE and their 64 bit brothers (slurm.h), also as signed numbers (accounting's resources). The 16 bit
ones are left out: 65534 is user nobody.
"""

_NO_NUMBER = frozenset({"", "UNLIMITED", "INFINITE", "NONE", "N/A", "NOT_SET", "PARTITION_LIMIT"})


def number(value: Any) -> int | Unknown | None:
    """A whole number, wrapped or plain."""
    if isinstance(value, dict):
        if value.get("infinite") is True or value.get("set") is False:
            return None
        if "number" not in value:
            return UNKNOWN
        value = value["number"]
    if value is None or (isinstance(value, str) and value.upper() in _NO_NUMBER):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return UNKNOWN
    try:
        whole = int(value)
    except (ValueError, OverflowError):  # text, NaN, infinity, more digits than Python converts
        return UNKNOWN
    if whole in _NO_VALUES:
        return None
    return whole if 0 <= whole <= _MAX_NUMBER else UNKNOWN


def _bounded(highest: int) -> Callable[[Any], int | Unknown | None]:
    """Reads a number where 0 means not set."""

    def read(value: Any) -> int | Unknown | None:
        found = number(value)
        if found is UNKNOWN or found is None:
            return found
        return UNKNOWN if found > highest else found or None

    return read


positive = _bounded(_MAX_NUMBER)
job_id = _bounded(MAX_JOB_ID)
time_s = _bounded(MAX_TIME_S)
_limit_minutes = _bounded(MAX_LIMIT_MINUTES)


def minutes(value: Any) -> int | Unknown | None:
    """A time limit in minutes, as seconds; None where there is none."""
    found = _limit_minutes(value)
    return found if found is UNKNOWN else limit_s(found)


def text(value: Any) -> str | Unknown | None:
    """A string that every database and every page can hold; None where it is empty."""
    if value is None or value == "":
        return None
    return cleaned(value) if isinstance(value, str) else UNKNOWN


def cleaned(value: str) -> str:
    """The text without what is no character (half a surrogate pair, NUL), cut where it is longer than anybody reads."""
    if not value.isascii():
        value = value.encode("utf-8", "replace").decode("utf-8")
    value = value.replace("\0", "\ufffd")
    return value if len(value) <= MAX_TEXT_CHARS else value[: MAX_TEXT_CHARS - 1] + "…"


def reason(value: Any) -> str | Unknown | None:
    """Why a job waits or ended; Slurm writes None where there is no reason."""
    return None if value == "None" else text(value)


def words(value: Any) -> tuple[str, ...] | Unknown:
    """Flags: a list of strings, or one string."""
    if value is None or value == "":
        return ()
    if isinstance(value, str):
        return (cleaned(value),)
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        return UNKNOWN
    return tuple(cleaned(word) for word in value[:MAX_WORDS])


def table(value: Any) -> Mapping[str, Any]:
    """An object; an empty one where there is none."""
    return value if isinstance(value, dict) else {}


def known(value: Value | Unknown, otherwise: Value) -> Value:
    """The value, or the other one where it is of no known shape."""
    return otherwise if isinstance(value, Unknown) else value


class ExitStatus(NamedTuple):
    """How a process ended: by a code, or (code 0) by a signal."""

    code: int
    signal: int


def wait_status(value: Any) -> ExitStatus | Unknown | None:
    """An exit as wait(2) tells it: the low seven bits are the signal that ended the process, else the code is above.

    Slurm makes such numbers itself, with signals that no kernel sends (53, 125) and with the bit of a core dump.
    """
    status = number(value)
    if status is UNKNOWN or status is None:
        return status
    signal = status & 0x7F
    if status > 0xFFFF or signal == 0x7F:  # stopped, which is no exit
        return UNKNOWN
    return ExitStatus(0, signal) if signal else ExitStatus(status >> 8, 0)


def exit_object(value: Any) -> ExitStatus | Unknown | None:
    """An exit as an object with `status`, `return_code` and `signal`. Of what a signal ended, the code is 0 or
    unset.
    """
    if value is None:
        return None
    if not isinstance(value, dict) or "return_code" not in value:
        return UNKNOWN
    if "PENDING" in known(words(value.get("status")), ()):
        return None
    signal, code = number(table(value.get("signal")).get("id")), number(value["return_code"])
    if signal is UNKNOWN or code is UNKNOWN:
        return UNKNOWN
    if signal:
        return ExitStatus(code or 0, signal)
    return None if code is None else ExitStatus(code, 0)


def resources(value: Any) -> dict[str, int] | Unknown:
    """Trackable resources by Slurm's names ("cpu", "mem", "gres/gpu"), memory in bytes.

    From squeue's text "cpu=4,mem=1200M", accounting's list of {type, name, count}, or pyslurm's object of resources.
    """
    if value is None or isinstance(value, str):
        return tres_amounts(value)
    if isinstance(value, list):
        return _listed_resources(value)
    members = _members(value)
    return UNKNOWN if members is None else _resource_members(members)


def _listed_resources(items: list[Any]) -> dict[str, int] | Unknown:
    amounts: dict[str, int] = {}
    for item in map(table, items):
        kind, name, count = text(item.get("type")), text(item.get("name")), number(item.get("count"))
        if kind is None or UNKNOWN in (kind, name, count):
            return UNKNOWN
        if isinstance(count, int):
            amounts[f"{kind}/{name}" if name else f"{kind}"] = count * MIB if kind == "mem" else count
    return amounts


def _resource_members(members: Mapping[str, Any]) -> dict[str, int] | Unknown:
    """pyslurm: one member a kind, itself an object with `count`, or a table of such by name (gres, license)."""
    amounts: dict[str, int] = {}
    for kind, item in members.items():
        member = _members(item) or {}
        named = {kind: member}
        if "count" not in member:
            named = {name if kind == "other" else f"{kind}/{name}": _members(one) or {} for name, one in member.items()}
        for name, one in named.items():
            count = number(one.get("count"))
            if count is UNKNOWN:
                return UNKNOWN
            if count is not None:
                amounts[name] = count * MIB if name == "mem" else count
    return amounts


def _members(value: Any) -> Mapping[str, Any] | None:
    """What an object of pyslurm's holds: older releases leave such objects inside a job's `to_dict()`."""
    as_dict = getattr(value, "to_dict", None)
    members = as_dict() if callable(as_dict) else value
    return members if isinstance(members, dict) else None
