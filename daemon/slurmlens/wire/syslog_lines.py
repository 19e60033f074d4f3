"""One syslog message as a log line, RFC 5424, RFC 3164 and what is sent instead of them: pure.

Owns the shapes. RFC 3164 is no format but what was found, so everything but the text may be missing: the priority, the
time (the old one with or without a year, or RFC 3339), the host (a word before the tag that does not end with a colon),
the tag. What fits no shape is text. A time without a year is in the year that puts it nearest to its arrival. Fed by
`node.log_inputs`; the host that a message names is kept beside the node's own name.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from functools import lru_cache

from slurmlens.clock import NS_PER_S
from slurmlens.log_lines import LogLine, Severity
from slurmlens.wire.log_bytes import LATE_S, text_of
from slurmlens.wire.log_documents import MAX_NAME_CHARS
from slurmlens.wire.written_times import nanoseconds_of, written_ns

_PRIORITY = re.compile(r"<(\d{1,3})>")
_MOST_PRIORITY = 191
_NEW = re.compile(
    r"1 (?P<time>\S{1,64}) (?P<host>\S{1,255}) (?P<program>\S{1,255}) (?P<pid>\S{1,128}) (?:\S{1,255}) "
    r'(?:-|(?:\[(?:[^\]"\\]|\\.|"(?:[^"\\]|\\.)*")*\])+)(?: |$)'
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_OLD_TIME = re.compile(
    r" ?(?P<old>(?P<month>" + "|".join(_MONTHS) + r") {1,2}(?P<day>\d{1,2})(?: (?P<year>(?:19|20)\d\d))?"
    r" (?P<clock>\d\d:\d\d:\d\d(?:\.\d{1,9})?)(?: (?P<late_year>(?:19|20)\d\d))?):? "
)
_ISO_TIME = re.compile(r" ?(?P<iso>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S{0,20}) ")
_HOST = re.compile(r"([\w.:-]{1,255}(?<!:)) (?=\S)")
_TAG = re.compile(r"(?P<program>[\w./@-]{1,255})(?:\[(?P<pid>\d{1,10})\])?: ?")


def line_of_message(raw: bytes, line_id: str, node: str, arrived_ns: int, zone: tzinfo, source: str) -> LogLine:
    """The line in a message, whatever it holds; `zone` is that of times without one."""
    marks: dict[str, str | int] = {}
    text, is_cut = text_of(raw.rstrip(b"\n\0"), marks)
    priority, begin = None, 0
    if (told := _PRIORITY.match(text)) is not None and int(told[1]) <= _MOST_PRIORITY:
        priority, begin = int(told[1]), told.end()
    time_ns, host, program, pid, begin = _header(text, begin, arrived_ns, zone, marks)
    if host is not None and host not in ("-", node) and host.partition(".")[0] != node:
        marks["host_as_sent"] = host
    return LogLine(
        id=line_id,
        time_ns=_marked(time_ns, arrived_ns, marks),
        node=node,
        message=text[begin:],
        program=program,
        pid=pid,
        severity=Severity.INFO.value if priority is None else priority & 7,
        facility=None if priority is None else priority >> 3,
        source=source,
        is_cut=is_cut,
        fields=marks,
    )


def _header(
    text: str, begin: int, arrived_ns: int, zone: tzinfo, marks: dict[str, str | int]
) -> tuple[int | None, str | None, str | None, int | None, int]:
    """Time, host, program, pid and where the message's text begins."""
    if (new := _NEW.match(text, begin)) is not None:
        pid = new["pid"]
        time_ns = None if new["time"] == "-" else written_ns(new["time"], zone)
        if time_ns is None and new["time"] != "-":
            marks["time_as_sent"] = new["time"]
        end = new.end() + text.startswith("\ufeff", new.end())
        program = None if new["program"] == "-" else new["program"]
        return (
            time_ns,
            new["host"],
            program,
            int(pid) if pid.isascii() and pid.isdigit() and len(pid) < 11 else None,
            end,
        )
    time_ns, begin, has_time = _old_time(text, begin, arrived_ns, zone, marks)
    host = None
    tag = _TAG.match(text, begin)
    if has_time and tag is None and (named := _HOST.match(text, begin)) is not None:
        # A word that no tag follows may as well be the text's first: then it stays there.
        tag = _TAG.match(text, named.end())
        host = named[1] if tag is not None else None
    if tag is None:
        return time_ns, host, None, None, begin
    return time_ns, host, tag["program"][:MAX_NAME_CHARS], None if tag["pid"] is None else int(tag["pid"]), tag.end()


def _old_time(
    text: str, begin: int, arrived_ns: int, zone: tzinfo, marks: dict[str, str | int]
) -> tuple[int | None, int, bool]:
    """The time before RFC 5424, where the text behind it begins, and whether there was one."""
    if (iso := _ISO_TIME.match(text, begin)) is not None:
        time_ns = written_ns(iso["iso"], zone)
        if time_ns is None:
            marks["time_as_sent"] = iso["iso"]
        return time_ns, iso.end(), True
    if (old := _OLD_TIME.match(text, begin)) is None:
        return None, begin, False
    year = old["year"] or old["late_year"]
    time_ns = _moment_of(
        *(_MONTHS.index(old["month"]) + 1, int(old["day"]), old["clock"], int(year) if year else None),
        *(arrived_ns // (3600 * NS_PER_S), zone),
    )
    if time_ns is None:
        marks["time_as_sent"] = old["old"]
    return time_ns, old.end(), True


@lru_cache(maxsize=256)
def _moment_of(month: int, day: int, clock: str, year: int | None, hour_of_arrival: int, zone: tzinfo) -> int | None:
    """The moment, in the year nearest to its arrival where it has none; many lines of one second have the same."""
    arrived = datetime.fromtimestamp(hour_of_arrival * 3600, UTC)
    clock, _, fraction = clock.partition(".")
    hours, minutes, seconds = map(int, clock.split(":"))
    found: list[datetime] = []
    for candidate in [year] if year is not None else range(arrived.year - 1, arrived.year + 2):
        try:
            found.append(datetime(candidate, month, day, hours, minutes, min(seconds, 59), tzinfo=zone))
        except ValueError:  # 29 February, or a day that is none
            continue
    if not found:
        return None
    nearest = min(found, key=lambda moment: abs(moment - arrived))
    told_ns = nanoseconds_of(nearest, zone)
    return None if told_ns is None else told_ns + int(fraction.ljust(9, "0") or 0)


def _marked(time_ns: int | None, arrived_ns: int, marks: dict[str, str | int]) -> int:
    """The message's own time, or that of its arrival; a clock that is far off is marked and its time kept."""
    if time_ns is None:
        return arrived_ns
    off_s = (time_ns - arrived_ns) // NS_PER_S
    if abs(off_s) > LATE_S:
        marks["clock_off_s"] = off_s
    return time_ns
