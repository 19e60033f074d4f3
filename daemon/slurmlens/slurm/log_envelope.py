"""What stands around the text of a line of slurmctld, slurmd, slurmstepd and slurmdbd: pure.

Owns the reading of `[<time>] <prefix><level><text>` as Slurm's `src/common/log.c` writes it, releases 20.11 to 26.05:
into log files with all of it, to stderr up to 24.11 as `<program>: <level><text>` and later with the time, to syslog
without the time. Used by whoever reads such a line before `log_kinds` understands its text.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple

from slurmlens.log_lines import JobMention, Severity
from slurmlens.wire.written_times import nanoseconds_of, written_ns

_TIME = re.compile(r"(sched: )?\[([^\]\n]{1,80})\] ?")
_PROGRAM = re.compile(r"(slurmctld|slurmd|slurmstepd|slurmdbd|srun|slurmscriptd)(?:-[\w.-]{1,64})?: ")
_STEP_PREFIX = re.compile(r"\[(?P<job>\d{1,10}|s[0-9A-Z]{10,16})\.(?P<step>[\w+]{1,20})( stepmgr)?\] ")
_LEVEL = re.compile(r"(?:(fatal|error|warning|internal error|debug[2-5]?): {1,2})?(sched: )?")
_SEVERITY_OF = {
    "fatal": Severity.CRITICAL,
    "error": Severity.ERROR,
    "internal error": Severity.ERROR,
    "warning": Severity.WARNING,
}
_THREAD_ID_TIME = re.compile(r"([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})?) +\d+ .*")
_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)


class SlurmLine(NamedTuple):
    """A line without its envelope; `time_ns` is None where it told none, or only a CPU clock."""

    text: str
    severity: Severity
    time_ns: int | None = None
    program: str | None = None
    step: JobMention | None = None


def open_envelope(line: str, zone: tzinfo, read_at: datetime) -> SlurmLine:
    """A line's text and what its envelope told; never fails: what is no envelope is text.

    `zone` is the daemon's own (Slurm writes local time without one by default), `read_at` decides the year of a time
    that has none.
    """
    time_ns, rest = None, line
    stamp = _TIME.match(line)
    if stamp is not None and (time_ns := time_of(stamp[2], zone, read_at)) is not None:
        rest = line[stamp.end() :]
    elif stamp is not None and stamp[2].isdecimal():
        rest = line[stamp.end() :]  # LogTimeFormat=clock: CPU microseconds, no time of day
    program = None
    if (named := _PROGRAM.match(rest)) is not None:
        program, rest = named[1], rest[named.end() :]
    step = None
    if (prefix := _STEP_PREFIX.match(rest)) is not None:
        job, rest = prefix["job"], rest[prefix.end() :]
        program = "slurmstepd"
        is_number = job.isdecimal()
        step = JobMention(job_id=int(job) if is_number else None, sluid=None if is_number else job, step=prefix["step"])
    level = _LEVEL.match(rest)
    word = level[1] if level is not None else None
    if level is not None:
        rest = rest[level.end() :]
    return SlurmLine(rest, _severity(word), time_ns, program, step)


def text_of(line: str) -> str:
    """A line's text alone."""
    return open_envelope(line, UTC, _ANY_TIME).text


def _severity(word: str | None) -> Severity:
    if word is not None and word.startswith("debug"):
        return Severity.DEBUG
    return _SEVERITY_OF.get(word or "", Severity.INFO)


def time_of(text: str, zone: tzinfo, read_at: datetime) -> int | None:
    """Nanoseconds since the epoch that a LogTimeFormat wrote; None for what is none of them.

    A time without a zone is in `zone`, one without a year the nearest to `read_at`.
    """
    time_ns = written_ns(text, zone)
    if time_ns is not None:
        return time_ns
    threaded = _THREAD_ID_TIME.fullmatch(text)
    moment = _without_year(threaded[1] if threaded else text, zone, read_at)
    return None if moment is None else nanoseconds_of(moment, zone)


def _without_year(text: str, zone: tzinfo, read_at: datetime) -> datetime | None:
    """`Aug 20 11:50:52[.123456]` in the year that puts it nearest to when it was read."""
    year = read_at.astimezone(zone).year
    found = []
    for candidate in (year - 1, year, year + 1):
        for form in ("%Y %b %d %H:%M:%S.%f", "%Y %b %d %H:%M:%S"):
            try:
                found.append(datetime.strptime(f"{candidate} {text}", form).replace(tzinfo=zone))
            except ValueError:  # another form, or 29 February
                continue
    return min(found, key=lambda moment: abs(moment - read_at), default=None)
