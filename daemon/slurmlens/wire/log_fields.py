"""Where in a document of a log line each of the line's fields stands, whoever wrote the document: pure.

Owns the names of fields that are read. Of a field the first name counts that is there and is no document of its own; a
dot in a name goes into a document, or stands in the name. Documents of one sender have the same names, so where to look
is worked out once for each set of names, not for each line. Invariant: what is remembered comes from the names here
alone, so no document can make it grow. Used by `log_documents`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

Names = tuple[str, ...]
Places = tuple[tuple[str, Names | None], ...]
"""Names that a document has something at, in the order of preference; with the way into it where there is a dot."""

_REMEMBERED = 256


class LineFields(NamedTuple):
    """The names of a line's fields, or where a document has them."""

    message: Any = ("message", "@message", "MESSAGE", "msg", "log")
    time: Any = ("@timestamp", "timestamp", "time", "timereported")
    node: Any = ("host.name", "host.hostname", "hostname", "_HOSTNAME", "@fields.host", "logsource", "fromhost", "host")
    program: Any = (
        *("process.name", "log.syslog.appname", "program", "programname", "app-name", "appname", "SYSLOG_IDENTIFIER"),
        *("@fields.program", "app_name", "ident", "_COMM"),
    )
    pid: Any = ("process.pid", "log.syslog.procid", "pid", "procid", "_PID", "SYSLOG_PID", "@fields.pid")
    severity: Any = (
        *("log.syslog.severity.code", "syslog_severity_code", "@fields.syslog_severity_code", "severity_code"),
        *("PRIORITY", "severity", "log.level", "level", "syslog_severity", "@fields.syslog_severity"),
    )
    facility: Any = (
        *("log.syslog.facility.code", "syslog_facility_code", "@fields.syslog_facility_code", "SYSLOG_FACILITY"),
    )
    unit: Any = ("systemd.unit", "_SYSTEMD_UNIT", "unit")
    cgroup: Any = ("systemd.cgroup", "_SYSTEMD_CGROUP", "cgroup")
    user_id: Any = ("user.id", "_UID", "uid")
    id: Any = ("event.id", "_id", "id", "__CURSOR")
    source: Any = ("event.module", "source")
    job_id: Any = ("slurm.job_id", "slurm_jobid", "SLURM_JOB_ID")
    step: Any = ("slurm.step_id", "slurm_stepid", "SLURM_STEP_ID")
    sluid: Any = ("slurm.sluid",)
    job_source: Any = ("slurm.job_source",)
    contradiction: Any = ("slurm.contradiction",)
    is_cut: Any = ("slurm.is_cut",)
    repeats: Any = ("slurm.repeats",)


_NAMES = LineFields()
_KNOWN = frozenset(part for names in _NAMES for name in names for part in (name, name.partition(".")[0]))


def fields_in(document: Mapping[str, Any]) -> LineFields:
    """Where this document has each field, as `Places`."""
    return _places(tuple([name for name in document if name in _KNOWN]))


@lru_cache(maxsize=_REMEMBERED)
def _places(there: Names) -> LineFields:
    return LineFields(*(_there(names, there) for names in _NAMES))


def _there(names: Names, there: Names) -> Places:
    ways = ((name, tuple(name.split(".")) if "." in name else None) for name in names)
    return tuple((name, way) for name, way in ways if name in there or (way is not None and way[0] in there))


def value_at(document: Mapping[str, Any], places: Places) -> Any:
    """The first of these that is no document of its own; of a list its first element. None where there is none."""
    for name, way in places:
        value: Any = document.get(name)
        if value is None and way is not None:
            value = document.get(way[0])
            for part in way[1:]:
                value = value.get(part) if isinstance(value, dict) else None
        if value is not None and not isinstance(value, dict):
            return value[0] if isinstance(value, list) and value else value
    return None
