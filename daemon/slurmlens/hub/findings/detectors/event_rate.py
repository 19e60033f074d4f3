"""More events of a kind on a node than is usual there. Pure.

The last hour's count against a Poisson rate that is not known but learned: of the node's own past and, as if it were a
little of that, of all nodes' (a gamma prior worth one event). The tail is that of the negative binomial. The cut is
such that so many tests make `FALSE_A_DAY` false findings a day at most. An event of several nodes that name one cause
(a server, a target) is one claim about this cause.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from slurmlens.clock import NS_PER_S
from slurmlens.hub.findings.claims import Claim, FindingKind
from slurmlens.hub.findings.observed import Exposure, LoggedEvent, Observed, RateKey
from slurmlens.hub.findings.words import chance, listed, score_of
from slurmlens.hub.inventory.entities import Entity
from slurmlens.shown import format as fmt

WINDOW_S = 3600.0
FALSE_A_DAY = 1.0
MOST_P = 1e-4
LEAST_EVENTS = 3
LEAST_NODES_OF_A_CAUSE = 3
CAUSES = {"nfs_silent": "server", "lustre_lost": "target", "lustre_evicted": "target"}
"""Kinds whose lines name what is away, by the field that does."""
WATCHED = frozenset(
    (
        *("oom_kill", "host_out_of_memory", "hung_task", "soft_lockup", "segfault", "trap", "memory_error"),
        *("machine_check", "gpu_error", "throttled", "link_down", "lustre_evicted", "lustre_lost", "nfs_silent"),
        *("file_system_error", "disk_error", "disk_timeout", "prolog_failed", "epilog_failed", "epilog_error"),
        *("credential_refused", "controller_slow", "accounting_behind", "nodes_silent", "node_rebooted"),
        *("health_check_failed", "step_unkillable", "fork_refused", "node_error_for_job", "completing_long"),
    )
)
"""What is counted: events that a sound node has seldom. Its application's own faults (segfaults) among them."""


def raised_rates(observed: Observed) -> Iterator[Claim]:
    """One claim for each (node, kind), or (cause, kind), whose rate is raised."""
    begin_ns = observed.now_ns - round(WINDOW_S * NS_PER_S)
    recent: dict[RateKey, list[LoggedEvent]] = {}
    for event in observed.events:
        if event.kind in WATCHED and event.time_ns >= begin_ns:
            recent.setdefault(RateKey(event.node, event.kind), []).append(event)
    cut = _cut(observed)
    of_causes = set()
    for (kind, cause), events in _by_cause(recent).items():
        of_causes |= {RateKey(event.node, event.kind) for event in events}
        yield _of_cause(kind, cause, events)
    for key, events in recent.items():
        count = sum(event.count for event in events)
        if key in of_causes or count < LEAST_EVENTS:
            continue
        p = tail(count, WINDOW_S, _usual(observed.rates, key))
        if p <= cut:
            yield _raised(key, events, count, p)


def _cut(observed: Observed) -> float:
    tests_a_day = 24 * max(1, len({key.kind for key in observed.rates}) * max(1, len(observed.nodes)))
    return min(MOST_P, FALSE_A_DAY / tests_a_day)


def _usual(rates: Mapping[RateKey, Exposure], key: RateKey) -> tuple[float, float]:
    """Shape and rate (per second) of what is believed of a node: its own past, and one event's worth of all nodes'."""
    same_kind = [exposure for other, exposure in rates.items() if other.kind == key.kind]
    seconds = sum(exposure.seconds for exposure in same_kind) or 7 * 86_400.0
    count = sum(exposure.events for exposure in same_kind)
    rate = (count + 0.5) / seconds
    own = rates.get(key, Exposure(0, 0.0))
    return 1.0 + own.events, 1.0 / rate + own.seconds


def tail(count: int, seconds: float, usual: tuple[float, float]) -> float:
    """The chance of `count` or more events in so many seconds: P(X ≥ count), X negative binomial."""
    shape, rate = usual
    log_p, log_q = math.log(seconds / (seconds + rate)), math.log(rate / (seconds + rate))
    below = 0.0
    for k in range(count):
        below += math.exp(math.lgamma(shape + k) - math.lgamma(shape) - math.lgamma(k + 1) + shape * log_q + k * log_p)
    if below < 1 - 1e-9:
        return 1 - below
    first = math.lgamma(shape + count) - math.lgamma(shape) - math.lgamma(count + 1) + shape * log_q + count * log_p
    return math.exp(first)


def _by_cause(recent: Mapping[RateKey, Sequence[LoggedEvent]]) -> dict[tuple[str, str], list[LoggedEvent]]:
    found: dict[tuple[str, str], list[LoggedEvent]] = {}
    for key, events in recent.items():
        for event in events if key.kind in CAUSES else ():
            cause = str(event.fields.get(CAUSES[key.kind], ""))
            if cause:
                found.setdefault((key.kind, cause), []).append(event)
    return {
        name: events
        for name, events in found.items()
        if len({event.node for event in events}) >= LEAST_NODES_OF_A_CAUSE
    }


def _raised(key: RateKey, events: Sequence[LoggedEvent], count: int, p: float) -> Claim:
    jobs = tuple(dict.fromkeys(event.job_id for event in events if event.job_id is not None))
    kind = key.kind.replace("_", " ")
    return Claim(
        kind=FindingKind.EVENT_RATE,
        subject=Entity("node", key.node),
        detail=key.kind,
        score=score_of(p),
        p=p,
        basis=f"p = {chance(p)} of so many within an hour, by the node's own past and all nodes' of this kind",
        from_ns=min(event.time_ns for event in events),
        to_ns=max(event.time_ns for event in events),
        jobs=jobs,
        sentence=f"{key.node}: {fmt.count(count, 'event')} '{kind}' within an hour; {_last_words(events)}.",
        hint=f"{key.node} has had unusually many events '{kind}'.",
        values={"node": key.node, "count": count, "kind": key.kind},
    )


def _of_cause(kind: str, cause: str, events: Sequence[LoggedEvent]) -> Claim:
    nodes = sorted({event.node for event in events})
    jobs = tuple(dict.fromkeys(event.job_id for event in events if event.job_id is not None))
    return Claim(
        kind=FindingKind.EVENT_RATE,
        subject=Entity(CAUSES[kind], cause),
        detail=kind,
        score=min(2.0 + len(nodes), 9.0),
        basis=f"{len(nodes)} nodes name one {CAUSES[kind]} within an hour",
        from_ns=min(event.time_ns for event in events),
        to_ns=max(event.time_ns for event in events),
        jobs=jobs,
        entities=tuple(Entity("node", node) for node in nodes),
        sentence=f"{cause}: {len(nodes)} nodes say '{kind.replace('_', ' ')}' ({listed(nodes, 6)}).",
        hint=f"{cause} is away for several nodes.",
        values={CAUSES[kind]: cause, "nodes": listed(nodes), "count": len(events), "kind": kind},
    )


def _last_words(events: Sequence[LoggedEvent]) -> str:
    commonest = Counter(event.text for event in events).most_common(1)[0][0]
    return f"most often: {commonest[:100]}" if commonest else "no words"
