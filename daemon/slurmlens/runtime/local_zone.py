"""The zone of this machine, for whoever reads times on it or writes them without a zone.

Owns one class. Used by the command line for what it shows, and by the hub for lines of Slurm's daemons, which write
local time.
"""

from __future__ import annotations

import datetime
import time


class LocalZone(datetime.tzinfo):
    """This machine's zone, with the offset that held at each moment: clocks change twice a year."""

    def fromutc(self, when: datetime.datetime) -> datetime.datetime:
        seconds = when.replace(tzinfo=datetime.UTC).timestamp()
        return when + datetime.timedelta(seconds=time.localtime(seconds).tm_gmtoff)

    def utcoffset(self, when: datetime.datetime | None) -> datetime.timedelta:
        return datetime.timedelta(seconds=self._local(when).tm_gmtoff)

    def dst(self, when: datetime.datetime | None) -> None:
        return None

    def tzname(self, when: datetime.datetime | None) -> str:
        return self._local(when).tm_zone

    @staticmethod
    def _local(when: datetime.datetime | None) -> time.struct_time:
        if when is None:
            return time.localtime()
        return time.localtime(time.mktime((*when.timetuple()[:8], -1)))
