"""The events that logs told lately, in memory: what detectors count, and how many were usual.

Owns their bounds: `RECENT_NS` of events and `PAST_HOURS` of hourly counts. A line about other nodes than the one that
logged it (the controller's) counts for those. Fed by `stage` with stored lines.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from slurmlens.clock import NS_PER_S
from slurmlens.errors import DecodeError
from slurmlens.hub.findings.detectors.event_rate import WATCHED
from slurmlens.hub.findings.observed import Exposure, LoggedEvent, RateKey
from slurmlens.hub.logs.query import StoredLine
from slurmlens.runtime.beside import beside
from slurmlens.slurm import hostlist
from slurmlens.slurm.log_envelope import text_of

HOUR_NS = 3600 * NS_PER_S
RECENT_NS = 24 * HOUR_NS
PAST_HOURS = 7 * 24
MOST_EVENTS = 20_000
MOST_KNOWN = 100_000
"""Lines that are remembered so that none counts twice."""
MOST_NODES_OF_A_LINE = 256
_MOST_TEXT = 300


class PastHours(NamedTuple):
    """Whole hours since 1970 from `first` until before `last`, after so many `changes` of what was summed before."""

    first: int
    last: int
    changes: int


class UsualRates(NamedTuple):
    """Rates over these hours."""

    of: PastHours
    rates: Mapping[RateKey, Exposure]


class EventLedger:
    """Events of one cluster."""

    def __init__(self, began_ns: int) -> None:
        self._began_ns = began_ns
        self._recent: deque[LoggedEvent] = deque(maxlen=MOST_EVENTS)
        self._hours: dict[int, Counter[RateKey]] = {}
        self._usual: UsualRates | None = None
        self._changes = 0
        """How often hours that were summed got more, from lines that are read back."""
        self._known: dict[tuple[str, str], None] = {}
        """Nodes and ids of lines, as they came."""

    def add(self, stored: StoredLine) -> None:
        """A line was kept; one that was read back and heard as well, or read back again, counts once."""
        line = stored.line.node, stored.line.id
        if line in self._known:
            return
        self._known[line] = None
        if len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]
        for event in events_of(stored):
            self._recent.append(event)
            self._began_ns = min(self._began_ns, event.time_ns)
            if event.kind in WATCHED:
                hour = event.time_ns // HOUR_NS
                self._changes += self._usual is not None and hour < self._usual.of.last
                self._hours.setdefault(hour, Counter())[RateKey(event.node, event.kind)] += event.count
        while len(self._hours) > PAST_HOURS:
            del self._hours[min(self._hours)]

    def recent(self, now_ns: int) -> tuple[LoggedEvent, ...]:
        """The last day's, the oldest first."""
        oldest_ns = now_ns - RECENT_NS
        if any(event.time_ns < oldest_ns for event in self._recent):  # anywhere: what is read back comes newest first
            self._recent = deque((event for event in self._recent if event.time_ns >= oldest_ns), MOST_EVENTS)
        return tuple(sorted(self._recent, key=lambda event: event.time_ns))

    async def rates(self, now_ns: int) -> Mapping[RateKey, Exposure]:
        """What was usual before the last hour (whole hours). Summed beside the loop, once an hour while nothing older
        comes in."""
        last = now_ns // HOUR_NS - 1
        first = max(self._began_ns // HOUR_NS, last - PAST_HOURS)
        wanted = PastHours(first, last, self._changes)
        if self._usual is None or self._usual.of != wanted:
            past = [own.copy() for hour, own in self._hours.items() if first <= hour < last]
            rates = await beside(lambda: _sum(past, max(0, last - first) * 3600.0))
            self._usual = UsualRates(wanted, rates)
        return self._usual.rates


def _sum(hours: Iterable[Counter[RateKey]], seconds: float) -> dict[RateKey, Exposure]:
    counts: Counter[RateKey] = Counter()
    for own in hours:
        counts.update(own)
    return {key: Exposure(count, seconds) for key, count in counts.items()}


def events_of(stored: StoredLine) -> Iterator[LoggedEvent]:
    """What a stored line says, of each node that it is about."""
    line = stored.line
    if line.kind is None:
        return
    named = line.fields.get("nodes")
    try:
        nodes = hostlist.expand(str(named))[:MOST_NODES_OF_A_LINE] if named else (line.node,)
    except DecodeError:
        nodes = (line.node,)
    fields = {name: value for name, value in line.fields.items() if name != "nodes"}
    for node in nodes:
        yield LoggedEvent(
            time_ns=line.time_ns,
            node=node,
            kind=line.kind,
            job_id=line.job_id,
            user=stored.owner.user,
            fields=fields,
            text=text_of(line.message)[:_MOST_TEXT],
            count=1 + line.repeats,
        )
