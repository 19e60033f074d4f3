"""Findings against what was injected: precision, recall, delay, and two plain detectors to compare with.

A finding is right where it names the fault's thing within the fault's time or an hour after its end, at most once a
fault; every other one is false. Nothing is point-adjusted: a fault counts once, however long it is. The two baselines
look at the same inputs every minute, as sites write them: a fixed threshold on each, and three standard deviations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean, pstdev
from typing import NamedTuple

from bench.findings_world import DAY_MINUTES, MINUTE_NS, Day, Fault
from slurmlens.hub.findings.claims import FindingState
from slurmlens.hub.findings.detectors.table import detect
from slurmlens.hub.findings.ledger import FindingLedger
from slurmlens.hub.findings.observed import FAILED, Observed

GRACE_MINUTES = 60
STEP_MINUTES = 2
AGAIN_MINUTES = 360


class Alarm(NamedTuple):
    """Something said: about what, when."""

    thing: str
    minute: int
    kind: str


Says = Callable[[Observed], Iterable[Alarm]]


@dataclass
class Score:
    """What came of it."""

    faults: int = 0
    found: int = 0
    right: int = 0
    false: int = 0
    delays_s: list[float] = field(default_factory=list)
    missed: dict[str, int] = field(default_factory=dict)

    @property
    def recall(self) -> float:
        return self.found / self.faults if self.faults else 0.0

    @property
    def precision(self) -> float:
        said = self.right + self.false
        return self.right / said if said else 0.0


class Ours:
    """Findings of the real detectors, folded by the real ledger, when they are first shown as open."""

    def __init__(self) -> None:
        self._ledger = FindingLedger()
        self._shown: set[int] = set()

    def says(self, observed: Observed, minute: int) -> Iterator[Alarm]:
        """What is new at this minute."""
        for finding in self._ledger.take(detect(observed), observed.now_ns):
            if finding.state is FindingState.OPEN and finding.number not in self._shown:
                self._shown.add(finding.number)
                yield Alarm(finding.claim.subject.name, minute, finding.claim.kind.value)
        self._ledger.fade(observed.now_ns)


class Plain:
    """A plain detector; the same about the same thing within six hours is one alarm."""

    def __init__(self, rule: Says) -> None:
        self._rule = rule
        self._last: dict[tuple[str, str], int] = {}

    def says(self, observed: Observed, minute: int) -> Iterator[Alarm]:
        """What is new at this minute."""
        for alarm in self._rule(observed):
            key = (alarm.thing, alarm.kind)
            if minute - self._last.get(key, -AGAIN_MINUTES) >= AGAIN_MINUTES:
                yield alarm._replace(minute=minute)
            self._last[key] = minute


def all_of(day: Day) -> dict[str, list[Alarm]]:
    """What each of the three says over a day, of the same observations."""
    judged = {"ours": Ours(), "fixed threshold": Plain(fixed_threshold), "three sigma": Plain(three_sigma)}
    alarms: dict[str, list[Alarm]] = {name: [] for name in judged}
    for minute in range(STEP_MINUTES, DAY_MINUTES, STEP_MINUTES):
        observed = day.observed(minute)
        for name, one in judged.items():
            alarms[name] += one.says(observed, minute)
    return alarms


def judge(day: Day, alarms: Sequence[Alarm], score: Score) -> None:
    """Adds one day to a score."""
    open_faults = list(day.faults)
    score.faults += len(open_faults)
    about: set[Fault] = set()
    for alarm in alarms:
        hits = [fault for fault in day.faults if _hits(alarm, fault)]
        if not hits:
            score.false += 1
            continue
        score.right += 1
        for fault in hits:
            if fault not in about:
                about.add(fault)
                score.delays_s.append(max(0.0, (alarm.minute - fault.begin) * 60.0))
    score.found += len(about)
    for fault in day.faults:
        if fault not in about:
            score.missed[fault.kind] = score.missed.get(fault.kind, 0) + 1


def _hits(alarm: Alarm, fault: Fault) -> bool:
    return alarm.thing == fault.thing and fault.begin <= alarm.minute <= fault.end + GRACE_MINUTES


def fixed_threshold(observed: Observed) -> Iterator[Alarm]:
    """As sites write alerts: CPU below half of what the job's best node does, five events of a kind an hour, three
    failures on a node a day, one hour below 1 %."""
    for load in observed.loads:
        shares = {
            node.node: node.cpu[-1] / (node.cores or 1) for node in load.nodes if node.cpu and node.cpu[-1] is not None
        }
        best = max(shares.values(), default=0.0)
        yield from (Alarm(name, 0, "cpu") for name, share in shares.items() if share < 0.5 * best)
        if len(load.nodes[0].cpu) >= 60 and all(max(v or 0 for v in node.cpu[-60:]) < 0.16 for node in load.nodes):
            yield Alarm(str(load.run.job_id), 0, "idle")
    yield from (Alarm(name, 0, kind) for (name, kind), count in _hour(observed).items() if count >= 5)
    failures = _failures(observed)
    yield from (Alarm(name, 0, "fails") for name, count in failures.items() if count >= 3)
    yield from _devices(observed)


def three_sigma(observed: Observed) -> Iterator[Alarm]:
    """Everything that is three standard deviations from its siblings, or from the mean of all nodes."""
    for load in observed.loads:
        shares = {
            node.node: node.cpu[-1] / (node.cores or 1) for node in load.nodes if node.cpu and node.cpu[-1] is not None
        }
        if len(shares) >= 3:
            middle, spread = fmean(shares.values()), pstdev(shares.values())
            yield from (
                Alarm(name, 0, "cpu") for name, share in shares.items() if spread and abs(share - middle) > 3 * spread
            )
    for counts, kind in ((_failures(observed), "fails"), (_by_node(observed), "events")):
        values = [counts.get(name, 0) for name in observed.nodes]
        middle, spread = fmean(values), pstdev(values)
        yield from (Alarm(name, 0, kind) for name, count in counts.items() if spread and count > middle + 3 * spread)
    yield from _devices(observed)


def _devices(observed: Observed) -> Iterator[Alarm]:
    """Both plain ones know a GPU's and a memory module's worst words as well."""
    for event in observed.events:
        if event.time_ns >= observed.now_ns - 10 * MINUTE_NS:
            is_worst = event.kind == "gpu_error" or event.fields.get("severity") == "UE"
            yield from [Alarm(event.node, 0, event.kind)] if is_worst else []


def _hour(observed: Observed) -> dict[tuple[str, str], int]:
    counts: dict[tuple[str, str], int] = {}
    for event in observed.events:
        if event.time_ns >= observed.now_ns - 60 * MINUTE_NS:
            counts[event.node, event.kind] = counts.get((event.node, event.kind), 0) + 1
    return counts


def _by_node(observed: Observed) -> dict[str, int]:
    counts: dict[str, int] = {}
    for (name, _), count in _hour(observed).items():
        counts[name] = counts.get(name, 0) + count
    return counts


def _failures(observed: Observed) -> dict[str, int]:
    counts: dict[str, int] = {}
    for run in observed.runs:
        if run.state in FAILED:
            for name in run.nodes:
                counts[name] = counts.get(name, 0) + 1
    return counts
