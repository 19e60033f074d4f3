"""Which known problems there are at a moment: a problem's signs against what was observed. Pure.

Owns the join. Everything that was seen within the problem's time is sorted by what an incident is about; of each of
these all signs are looked at. A negative event (`none`) counts only after the last positive sign: a server that came
back before it went away has not come back. What matched becomes a claim with the values for its guide.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from slurmlens.clock import NS_PER_S
from slurmlens.hub.findings.claims import Claim, Finding, FindingKind, Value
from slurmlens.hub.findings.observed import LoggedEvent, NodeMakeup, Observed, RunLoad
from slurmlens.hub.findings.problems.figures import OF_JOB, OF_RUNS
from slurmlens.hub.findings.problems.problem import ProblemDefinition, Sign
from slurmlens.hub.findings.words import listed
from slurmlens.hub.inventory.entities import Entity
from slurmlens.hub.inventory.runs import PlacedRun

_Seen = TypeVar("_Seen")
CLUSTER = "this cluster"


@dataclass(slots=True)
class Scene:
    """All that was seen of one thing within a problem's time."""

    events: list[LoggedEvent] = field(default_factory=list)
    runs: list[PlacedRun] = field(default_factory=list)
    load: RunLoad | None = None
    makeup: NodeMakeup | None = None
    findings: list[Finding] = field(default_factory=list)


@dataclass(slots=True)
class Evidence:
    """What the signs that held stand on."""

    events: list[LoggedEvent] = field(default_factory=list)
    runs: list[PlacedRun] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    values: dict[str, Value] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)

    @property
    def last_ns(self) -> int:
        times = [event.time_ns for event in self.events]
        times += [finding.claim.to_ns for finding in self.findings] + [run.end_ns or 0 for run in self.runs]
        return max(times, default=0)


def matches(problems: Iterable[ProblemDefinition], observed: Observed, standing: Sequence[Finding] = ()) -> list[Claim]:
    """The claims of all problems whose signs hold now."""
    return [claim for problem in problems for claim in _matches(problem, observed, standing)]


def _matches(problem: ProblemDefinition, observed: Observed, standing: Sequence[Finding]) -> Iterator[Claim]:
    for name, scene in _scenes(problem, observed, standing).items():
        evidence = _evidence(problem, scene)
        if evidence is not None:
            yield _claim(problem, name, scene, evidence, observed.now_ns)


def _scenes(problem: ProblemDefinition, observed: Observed, standing: Sequence[Finding]) -> dict[str, Scene]:
    """By name of what an incident is about."""
    scenes: dict[str, Scene] = defaultdict(Scene)
    about, since_ns = problem.about, observed.now_ns - round(problem.within_s * NS_PER_S)
    kinds = problem.event_kinds
    events = [event for event in observed.events if event.kind in kinds and event.time_ns >= since_ns]
    for name, event in _by_name(events, lambda event: _names_of_event(about, event)):
        scenes[name].events.append(event)
    runs = [run for run in observed.runs if (run.end_ns or 0) >= since_ns]
    for name, run in _by_name(runs, lambda run: _names_of_run(about, run)):
        scenes[name].runs.append(run)
    for name, finding in _by_name(standing, lambda finding: _names_of_finding(about, finding)):
        scenes[name].findings.append(finding)
    for load in observed.loads if about == "job" else ():
        scenes[str(load.run.job_id)].load = load
    for makeup in observed.nodes.values() if about == "node" else ():
        if makeup.reason or makeup.node in scenes:
            scenes[makeup.node].makeup = makeup
    return scenes


def _by_name(seen: Iterable[_Seen], names: Callable[[_Seen], Iterable[str]]) -> Iterator[tuple[str, _Seen]]:
    """What was seen, once for each name that it is about."""
    return ((name, one) for one in seen for name in names(one))


def _names_of_event(about: str, event: LoggedEvent) -> Iterator[str]:
    if about == "node":
        yield event.node
    elif about == "cluster":
        yield CLUSTER
    elif about == "job":
        if event.job_id is not None:
            yield str(event.job_id)
    elif about == "user":
        if event.user:
            yield event.user
    elif about in event.fields:
        yield str(event.fields[about])


def _names_of_run(about: str, run: PlacedRun) -> Iterator[str]:
    if about == "node":
        yield from run.nodes
    elif about == "user" and run.user:
        yield run.user
    elif about == "cluster":
        yield CLUSTER


def _names_of_finding(about: str, finding: Finding) -> Iterator[str]:
    claim = finding.claim
    if claim.kind is FindingKind.KNOWN_PROBLEM:
        return
    if about == "cluster":
        yield CLUSTER
    for one in (claim.subject, *claim.entities):
        if one.kind == about:
            yield one.name


def _evidence(problem: ProblemDefinition, scene: Scene) -> Evidence | None:
    """What the problem stands on here; None where its signs do not hold."""
    evidence = Evidence()
    if not all(_holds(sign, scene, evidence) for sign in problem.all):
        return None
    held = [_holds(sign, scene, evidence) for sign in problem.any]  # all of them: each adds what it stands on
    if held and not any(held):
        return None
    last_ns = evidence.last_ns
    for sign in problem.none:
        later = Scene([one for one in scene.events if one.time_ns > last_ns], scene.runs, scene.load, scene.makeup)
        if _holds(sign, later, Evidence()):
            return None
    return evidence


def _holds(sign: Sign, scene: Scene, evidence: Evidence) -> bool:
    """Whether a sign holds; what it stands on is added to the evidence."""
    if sign.event:
        return _events_hold(sign, scene, evidence)
    if sign.finding:
        found = [finding for finding in scene.findings if finding.claim.kind in sign.finding]
        evidence.findings += found
        for finding in found:
            evidence.values |= finding.claim.values
            evidence.words.append(finding.claim.sentence)
        return bool(found)
    if sign.reason:
        reason = (scene.makeup.reason if scene.makeup else None) or ""
        if not any(word.lower() in reason.lower() for word in sign.reason):
            return False
        evidence.values["reason"] = reason
        evidence.words.append(f"its reason is {reason!r}")
        return True
    if sign.figure is not None:
        return _figure_holds(sign, scene, evidence)
    return _end_holds(sign, scene, evidence)


def _events_hold(sign: Sign, scene: Scene, evidence: Evidence) -> bool:
    found = [event for event in scene.events if event.kind in sign.event and _fits(sign, event)]
    counts = (
        (sum(event.count for event in found), sign.count),
        (len({event.node for event in found}), sign.nodes),
        (len({event.job_id for event in found if event.job_id is not None}), sign.jobs),
        (len({event.user for event in found if event.user}), sign.users),
    )
    if not found or any(there < wanted for there, wanted in counts):
        return False
    evidence.events += found
    evidence.words.append(f"{len(found)} × {found[-1].kind.replace('_', ' ')}: {found[-1].text[:100]}")
    return True


def _fits(sign: Sign, event: LoggedEvent) -> bool:
    if any(event.fields.get(name) not in allowed for name, allowed in sign.fields.items()):
        return False
    return not sign.contains or any(words.lower() in event.text.lower() for words in sign.contains)


def _figure_holds(sign: Sign, scene: Scene, evidence: Evidence) -> bool:
    name = sign.figure or ""
    if name in OF_JOB:
        value = None if scene.load is None else OF_JOB[name](scene.load)
    else:
        value = OF_RUNS[name](scene.runs) if scene.runs else None
    if value is None or (sign.at_least is not None and value < sign.at_least):
        return False
    if sign.at_most is not None and value > sign.at_most:
        return False
    if name in OF_RUNS:
        evidence.runs += scene.runs
    elif scene.load is not None:
        evidence.runs.append(scene.load.run)
    evidence.values[name] = round(value, 3)
    evidence.words.append(f"{name.replace('_', ' ')} {value:.3g}")
    return True


def _end_holds(sign: Sign, scene: Scene, evidence: Evidence) -> bool:
    load = scene.load
    if load is None:
        return False
    holds = (
        load.run.state.value in sign.job_state
        or (load.exit_code is not None and load.exit_code in sign.exit_code)
        or (load.exit_signal is not None and load.exit_signal in sign.exit_signal)
    )
    if holds:
        evidence.runs.append(load.run)
        evidence.values |= {"exit_code": load.exit_code or 0, "state": load.run.state.value}
        evidence.words.append(f"the job ended as {load.run.state.value} {load.exit_code or 0}:{load.exit_signal or 0}")
    return holds


def _claim(problem: ProblemDefinition, name: str, scene: Scene, evidence: Evidence, now_ns: int) -> Claim:
    events, runs = evidence.events, evidence.runs
    jobs = [event.job_id for event in events if event.job_id is not None]
    jobs += [run.job_id for run in runs]
    jobs += [job_id for finding in evidence.findings for job_id in finding.claim.jobs]
    jobs += [int(name)] if problem.about == "job" else []
    numbers = [run.number for run in runs]
    numbers += [number for finding in evidence.findings for number in finding.claim.runs]
    numbers += [scene.load.run.number] if problem.about == "job" and scene.load is not None else []
    nodes = list(dict.fromkeys(event.node for event in events))
    nodes += [node for run in runs if problem.about == "job" for node in run.nodes]
    begun = [event.time_ns for event in events] + [finding.claim.from_ns for finding in evidence.findings]
    to_ns = evidence.last_ns or now_ns
    subject = Entity(problem.about, name)
    where = (
        "" if problem.about == "cluster" else f"{problem.about} {name}: " if problem.about != "node" else f"{name}: "
    )
    return Claim(
        kind=FindingKind.KNOWN_PROBLEM,
        subject=subject,
        detail=problem.name,
        score=problem.score,
        basis="; ".join(dict.fromkeys(evidence.words))[:600],
        from_ns=min([*begun, to_ns]),
        to_ns=to_ns,
        jobs=tuple(dict.fromkeys(jobs))[:200],
        runs=tuple(dict.fromkeys(numbers))[:200],
        entities=tuple(Entity("node", node) for node in dict.fromkeys(nodes) if Entity("node", node) != subject)[:64],
        sentence=f"{where}{problem.title}.",
        hint=f"{where if problem.about in ('node', 'job') else ''}{problem.title}.",
        values=_values(problem, name, scene, evidence, jobs, nodes),
    )


def _values(
    problem: ProblemDefinition, name: str, scene: Scene, evidence: Evidence, jobs: Sequence[int], nodes: Sequence[str]
) -> dict[str, Value]:
    """What the guide is filled in with; the fields of the newest event win."""
    values: dict[str, Value] = dict(evidence.values)
    for event in evidence.events:
        values |= event.fields
    users = [event.user for event in evidence.events if event.user] + [run.user for run in evidence.runs if run.user]
    if scene.load is not None and scene.load.run.user:
        users.append(scene.load.run.user)
    values["count"] = sum(event.count for event in evidence.events)
    if jobs:
        values |= {"job": jobs[-1], "jobs": listed(map(str, dict.fromkeys(jobs)))}
    if nodes:
        values |= {"node": nodes[0], "nodes": ",".join(dict.fromkeys(nodes))}
    if users:
        values["user"] = users[-1]
    values[problem.about] = name
    return values
