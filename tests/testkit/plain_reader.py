"""The reader's pure Python twin: the same readings from the same folders, by other means. Slow, and nothing but an
oracle.

Owns no state. Written from the kernel's documentation and the rules of `cext/slurmlens_cgroup.h` with regular
expressions, where the C walks bytes, so that both being wrong in the same way is unlikely. Tests compare the two on
recorded and on damaged trees; no program uses it.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import msgspec

from slurmlens.cgroup.layout import CgroupPlace, Hierarchy
from slurmlens.cgroup.reading import Reading, reading_of
from slurmlens.metrics import FIELD_INDEX, FIELDS, Tier

TEXT_MAX_BYTES = 16384
_U64_MAX = 2**64 - 1
_V1_NO_LIMIT = 0x7FFFFFFFFFFF0000
_NS_PER_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")

Fields = dict[str, int]


class _Damaged(Exception):  # private: never leaves this module
    """The text is not what the kernel writes."""


def _number(text: bytes) -> int:
    if not re.fullmatch(rb"[0-9]+", text) or int(text) > _U64_MAX:
        raise _Damaged
    return int(text)


def _single(field: str) -> Callable[[bytes], Fields]:
    return lambda text: {field: _number(text.removesuffix(b"\n"))}


def _limit(text: bytes) -> Fields:
    value = _number(text.removesuffix(b"\n"))
    return {} if value >= _V1_NO_LIMIT else {"memory_limit_bytes": value}


def _max(text: bytes) -> Fields:
    return {} if text in (b"max", b"max\n") else _single("memory_limit_bytes")(text)


def _keyed(
    keys: Mapping[str, str], scale: int = 1, scales: Mapping[str, int] | None = None
) -> Callable[[bytes], Fields]:
    """`keys` maps a key of the file to a field; `scales` those whose values are not times `scale`."""

    def parse(text: bytes) -> Fields:
        fields: Fields = {}
        for line in re.findall(rb"[^\n]+", text):
            if len(fields) == len(keys):
                break
            key, space, value = line.partition(b" ")
            field = keys.get(key.decode("latin-1"))
            if field is None or not space:
                continue
            fields[field] = _number(value) * (scales or {}).get(field, scale)
            if fields[field] > _U64_MAX:
                raise _Damaged
        if not fields:
            _check_keyed(text)  # a well formed file may lack all that is wanted: an older kernel's
        return fields

    return parse


def _check_keyed(text: bytes) -> None:
    if not text:
        raise _Damaged
    for line in _lines(text):
        key, _, value = line.partition(b" ")
        if not key:
            raise _Damaged
        _number(value)


def _io(text: bytes) -> Fields:
    names = {b"rbytes": "io_read_bytes", b"wbytes": "io_written_bytes", b"rios": "io_reads", b"wios": "io_writes"}
    sums = dict.fromkeys(names.values(), 0)
    for line in _lines(text):
        device, *values = line.split(b" ")
        if device != b"(unknown)":
            major, colon, minor = device.partition(b":")
            if not colon:
                raise _Damaged
            _number(major), _number(minor)
        for value in values:
            name, equals, digits = value.partition(b"=")
            if equals and name in names:
                sums[names[name]] += _number(digits)
    if any(value > _U64_MAX for value in sums.values()):
        raise _Damaged
    return sums


def _pressure(*fields: str) -> Callable[[bytes], Fields]:
    def parse(text: bytes) -> Fields:
        found: Fields = {}
        lines = _lines(text)
        for line in lines:
            match = re.fullmatch(rb"(some|full)(?:(?! total=).)*? total=([0-9]+)", line, re.DOTALL)
            if match is None:
                raise _Damaged
            index = 0 if match[1] == b"some" else 1
            total = _number(match[2])
            if index < len(fields):
                found[fields[index]] = total
        if not lines:
            raise _Damaged
        return found

    return parse


def _lines(text: bytes) -> list[bytes]:
    lines = text.split(b"\n")
    return lines[:-1] if lines[-1] == b"" else lines


class _File(msgspec.Struct, frozen=True):
    name: str
    folder: str
    tier: Tier
    parse: Callable[[bytes], Fields]


_F, _S = Tier.FAST, Tier.SLOW
_CPU_KEYS = {
    "usage_usec": "cpu_usage_ns",
    "user_usec": "cpu_user_ns",
    "system_usec": "cpu_system_ns",
    "nr_periods": "cpu_periods",
    "nr_throttled": "cpu_throttled_periods",
    "throttled_usec": "cpu_throttled_ns",
}
_V1_THROTTLING = {
    "nr_periods": "cpu_periods",
    "nr_throttled": "cpu_throttled_periods",
    "throttled_time": "cpu_throttled_ns",
}
_V1_MEMORY = {"total_cache": "memory_cache_bytes", "total_rss": "memory_rss_bytes", "total_swap": "memory_swap_bytes"}
_EVENTS = {"high": "memory_high_events", "max": "memory_max_events", "oom": "oom_events", "oom_kill": "oom_kill_events"}
_OOM = _keyed({"oom_kill": "oom_kill_events"})

_FILES: dict[Hierarchy, tuple[_File, ...]] = {
    Hierarchy.V1: (
        _File("cpuacct.usage", "cpu", _F, _single("cpu_usage_ns")),
        _File("cpuacct.stat", "cpu", _F, _keyed({"user": "cpu_user_ns", "system": "cpu_system_ns"}, _NS_PER_TICK)),
        _File("cpu.stat", "cpu", _F, _keyed(_V1_THROTTLING)),
        _File("memory.usage_in_bytes", "memory", _F, _single("memory_current_bytes")),
        _File("memory.max_usage_in_bytes", "memory", _F, _single("memory_peak_bytes")),
        _File("memory.failcnt", "memory", _F, _single("memory_max_events")),
        _File("memory.oom_control", "memory", _F, _OOM),
        _File("memory.limit_in_bytes", "memory", _S, _limit),
        _File("memory.stat", "memory", _S, _keyed(_V1_MEMORY)),
    ),
    Hierarchy.V2: (
        _File("cpu.stat", "cpu", _F, _keyed(_CPU_KEYS, 1000, {"cpu_periods": 1, "cpu_throttled_periods": 1})),
        _File("memory.current", "cpu", _F, _single("memory_current_bytes")),
        _File("memory.peak", "cpu", _F, _single("memory_peak_bytes")),
        _File("memory.events", "cpu", _F, _keyed(_EVENTS)),
        _File("pids.current", "cpu", _F, _single("pids_current")),
        _File("io.stat", "cpu", _F, _io),
        _File("cpu.pressure", "cpu", _F, _pressure("pressure_cpu_some_us", "pressure_cpu_full_us")),
        _File("memory.pressure", "cpu", _F, _pressure("pressure_memory_some_us", "pressure_memory_full_us")),
        _File("io.pressure", "cpu", _F, _pressure("pressure_io_some_us", "pressure_io_full_us")),
        _File("memory.max", "cpu", _S, _max),
        _File("memory.stat", "cpu", _S, _keyed({"anon": "memory_rss_bytes", "file": "memory_cache_bytes"})),
        _File("memory.swap.current", "cpu", _S, _single("memory_swap_bytes")),
        _File("pids.peak", "cpu", _S, _single("pids_peak")),
    ),
}
_PRESSURE_FILES = (
    _File("cpu", "cpu", _F, _pressure("pressure_cpu_some_us")),
    _File("memory", "cpu", _F, _pressure("pressure_memory_some_us", "pressure_memory_full_us")),
    _File("io", "cpu", _F, _pressure("pressure_io_some_us", "pressure_io_full_us")),
)


def files_of(hierarchy: Hierarchy) -> tuple[str, ...]:
    """The names of all counter files of a hierarchy."""
    return tuple(file.name for file in _FILES[hierarchy])


def read_cgroup(place: CgroupPlace, tiers: Collection[Tier]) -> Reading:
    """Opens, reads and closes every file of one cgroup's own folders (descendants' events are not added)."""
    return _read(_FILES[place.hierarchy], {"cpu": place.cpu, "memory": place.memory}, tiers)


def read_node_pressure(proc: Path) -> Reading:
    """The whole node's pressure."""
    return _read(_PRESSURE_FILES, {"cpu": proc / "pressure"}, {Tier.FAST})


def _read(files: tuple[_File, ...], folders: Mapping[str, Path], tiers: Collection[Tier]) -> Reading:
    fields: Fields = {}
    errors: list[int] = []
    there = 0
    for file in files:
        path = folders[file.folder] / file.name
        if not path.exists():
            continue
        there += 1
        if file.tier not in tiers:
            continue
        try:
            with path.open("rb") as opened:
                text = opened.read(TEXT_MAX_BYTES)
            if len(text) == TEXT_MAX_BYTES:
                errors.append(errno.EFBIG)
            else:
                fields |= file.parse(text)
        except _Damaged:
            errors.append(errno.EBADMSG)
    if there == 0:
        gone = errno.ENODEV if any(folder.is_dir() for folder in folders.values()) else errno.ENOENT
        return reading_of({}, gone)
    ordered = {field.name: fields[field.name] for field in FIELDS if field.name in fields}
    assert ordered.keys() <= FIELD_INDEX.keys()
    return reading_of(ordered, errors[0] if errors else 0, len(errors))
