"""Numbers, durations and times as people read them: the one place where a figure becomes text.

Pure. Page, terminal, CSV headings and the sentences of `headline` all take their texts from here, so that one figure
looks the same wherever it stands. Numbers have two to three significant digits and a unit; durations are `1 h 02
min`; what is not known is `UNKNOWN`, never 0.
"""

from __future__ import annotations

import datetime
import math

UNKNOWN = "–"

_NS_PER_S = 1_000_000_000
_BINARY_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_DECIMAL_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def digits(value: float) -> str:
    """Two to three significant digits without an exponent; from 1000 on a whole number.

    >>> [digits(v) for v in (0.0, 0.2849, 2.0, 82.24, 99.97, 124.3, 20480.4)]
    ['0', '0.28', '2.0', '82.2', '100', '124', '20480']
    """
    if value == 0:
        return "0"
    size = abs(value)
    if size < 0.00995:
        return "<0.01" if value > 0 else ">-0.01"
    if size < 0.995:
        return f"{value:.2f}" if size >= 0.0995 else f"{value:.3f}"
    return f"{value:.1f}" if size < 99.95 else f"{value:.0f}"


def grouped(value: float) -> str:
    """An amount in a table of sums: whole and with groups of three from ten on.

    >>> [grouped(v) for v in (0.0, 3.21, 12.6, 1234567.2)]
    ['0', '3.2', '13', '1,234,567']
    """
    return digits(value) if abs(value) < 9.95 else f"{value:,.0f}"


def percent(ratio: float | None) -> str:
    """A share of one: `66 %`, `0.4 %` below one percent, `<0.1 %` where rounding would lie."""
    if ratio is None:
        return UNKNOWN
    share = ratio * 100
    if share == 0:
        return "0 %"
    if abs(share) < 0.05:
        return "<0.1 %"
    return f"{share:.1f} %" if abs(share) < 0.95 else f"{share:.0f} %"


def memory(size_bytes: float | None, *, like_bytes: float | None = None) -> str:
    """Bytes of memory in binary units; `like_bytes` lends its unit, so that pairs compare at a glance."""
    if size_bytes is None:
        return UNKNOWN
    exponent = _exponent(like_bytes if like_bytes else size_bytes, 1024)
    scaled = size_bytes / 1024**exponent
    if like_bytes and 0 < scaled < 0.01:
        return memory(size_bytes)
    return f"{_whole_bytes(scaled, exponent)} {_BINARY_UNITS[exponent]}"


def amount(value: float, unit: str) -> str:
    """A node's figure in the unit that it is kept in.

    >>> amount(0.25, "ratio"), amount(0.012, "s"), amount(71.0, "°C")
    ('25 %', '12.0 ms', '71.0 °C')
    """
    if unit == "ratio":
        return percent(value)
    if unit == "bytes":
        return memory(value)
    if unit == "bytes/s":
        return f"{volume(value)}/s"
    if unit == "s":
        return f"{digits(value * 1000)} ms"
    return digits(value) if unit == "count" else f"{digits(value)} {unit}"


def memory_pair(used_bytes: float | None, asked_bytes: float | None) -> str:
    """`0.28 of 2.0 GiB`: one unit for both where both are known."""
    if used_bytes is None or asked_bytes is None:
        return memory(used_bytes)
    asked, unit = memory(asked_bytes).split(" ")
    used = memory(used_bytes, like_bytes=asked_bytes)
    return f"{used.removesuffix(' ' + unit)} of {asked} {unit}"


def volume(size_bytes: float | None) -> str:
    """Bytes read, written or sent, in decimal units as disks and networks are sold: `310 MB`."""
    if size_bytes is None:
        return UNKNOWN
    exponent = _exponent(size_bytes, 1000)
    return f"{_whole_bytes(size_bytes / 1000**exponent, exponent)} {_DECIMAL_UNITS[exponent]}"


def _exponent(size: float, base: int) -> int:
    exponent = 0
    while abs(size) >= base * 0.9995 and exponent < len(_BINARY_UNITS) - 1:
        size /= base
        exponent += 1
    return exponent


def _whole_bytes(scaled: float, exponent: int) -> str:
    if exponent == 0:
        return f"{scaled:.0f}"
    text = digits(scaled)
    # 310 MB and 12 MB: the decimal of a two-digit size is noise that nobody decides on.
    return f"{scaled:.0f}" if abs(scaled) >= 9.95 else text


def duration(seconds: float | None) -> str:
    """`0.31 s`, `31 s`, `10 min`, `2 min 05 s`, `1 h 02 min`, `3 d 04 h`."""
    if seconds is None:
        return UNKNOWN
    if seconds < 0:
        return "-" + duration(-seconds)
    if seconds < 9.95:
        return f"{digits(seconds)} s"
    whole = round(seconds)
    for size, unit, part_size, part in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            count, rest = divmod(whole, size)
            return f"{count} {unit}" + (f" {rest // part_size:02d} {part}" if rest >= part_size else "")
    return f"{whole} s"


def core_time(seconds: float | None) -> str:
    """CPU time: `82.2 core-seconds`, `3.4 core-hours` from two hours on."""
    if seconds is None:
        return UNKNOWN
    amount, unit = _core_unit(seconds, seconds)
    return f"{amount} {unit}"


def core_time_pair(used_s: float | None, available_s: float | None) -> str:
    """`82.2 of 124 core-seconds`."""
    if used_s is None or not available_s:
        return core_time(used_s)
    available, unit = _core_unit(available_s, available_s)
    return f"{_core_unit(used_s, available_s)[0]} of {available} {unit}"


def _core_unit(seconds: float, like_s: float) -> tuple[str, str]:
    if like_s >= 7_200:
        return digits(seconds / 3_600), "core-hours"
    return digits(seconds), "core-seconds"


def cores(count: float | None) -> str:
    """`4 cores`, `1 core`, `1.9 cores`."""
    if count is None:
        return UNKNOWN
    text = f"{count:.0f}" if float(count).is_integer() else digits(count)
    return f"{text} core" if text == "1" else f"{text} cores"


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 node`, `3 nodes`."""
    return f"{number} {one}" if number == 1 else f"{number} {many or one + 's'}"


def mem_option(size_bytes: float) -> str:
    """A size as Slurm's `--mem` takes it: `512M`, `24G`; rounded up, so that it is never less than `size_bytes`."""
    mebibytes = max(1, math.ceil(size_bytes / 1024**2))
    return f"{mebibytes // 1024}G" if mebibytes % 1024 == 0 else f"{mebibytes}M"


def time_option(seconds: float) -> str:
    """A duration as Slurm's `--time` takes it, rounded up to the minute: `00:45:00`, `1-06:00:00`."""
    minutes = math.ceil(seconds / 60)
    days, rest = divmod(minutes, 1_440)
    return (f"{days}-" if days else "") + f"{rest // 60:02d}:{rest % 60:02d}:00"


def time_of_day(time_ns: int | None, zone: datetime.tzinfo) -> str:
    """`10:14:02`."""
    return UNKNOWN if time_ns is None else _moment(time_ns, zone).strftime("%H:%M:%S")


def moment(time_ns: int | None, zone: datetime.tzinfo, *, near_ns: int | None = None) -> str:
    """`10:14:02` where the reference is on the same day, else `2026-11-22 10:14:02`."""
    if time_ns is None:
        return UNKNOWN
    when = _moment(time_ns, zone)
    if near_ns is not None and _moment(near_ns, zone).date() == when.date():
        return when.strftime("%H:%M:%S")
    return when.strftime("%Y-%m-%d %H:%M:%S")


def iso(time_ns: int | None) -> str:
    """RFC 3339 in UTC with milliseconds, for programs; empty where the time is not known."""
    if time_ns is None:
        return ""
    return _moment(time_ns, datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_s(time_ns: int) -> str:
    """The same in whole seconds, for a sentence that is read in no particular zone."""
    return _moment(time_ns, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(time_ns: int, zone: datetime.tzinfo) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(time_ns / _NS_PER_S, zone)
