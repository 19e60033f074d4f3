"""Case files: what was observed once, made or recorded, to try a problem file on. Reads TOML, decides nothing.

Owns the format: `[[case]]` tables with a `name`, whether it `matches`, and what is seen: `lines` (log lines as they
came, understood by the same tables as the hub's), `runs`, `loads`, `nodes` and `findings`. Times are seconds before the
moment that is judged. Used by `slurmlens problems test` and by the tests of the files that ship.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.config.load import read_table
from slurmlens.errors import ConfigError
from slurmlens.hub.findings.claims import Claim, Finding, FindingKind, FindingState
from slurmlens.hub.findings.events import events_of
from slurmlens.hub.findings.observed import LoggedEvent, NodeLoad, NodeMakeup, Observed, RunLoad
from slurmlens.hub.findings.problems.matching import matches
from slurmlens.hub.findings.problems.problem import ProblemDefinition
from slurmlens.hub.inventory.entities import Entity
from slurmlens.hub.inventory.runs import PlacedRun
from slurmlens.hub.logs.query import JobOwner, LogPlace, StoredLine
from slurmlens.hub.logs.understanding import understood
from slurmlens.log_lines import LogLine
from slurmlens.slurm.records import JobState

NOW_NS = 1_800_000_000 * NS_PER_S


class CaseLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A log line of a node: of the kernel unless `program` says another."""

    node: str
    text: str
    program: str = "kernel"
    ago_s: float = 60.0
    job: int | None = None
    user: str | None = None
    repeats: int = 0


class CaseRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run; it runs still where `ended_ago_s` is not set. `nodes` have `cpu` (busy cores, minute by minute) each."""

    job: int
    state: str
    nodes: tuple[str, ...]
    user: str = "alice"
    name: str = "job"
    ended_ago_s: float | None = None
    ran_s: float = 600.0
    exit_code: int | None = None
    exit_signal: int | None = None
    cores: float = 8.0
    cpu: tuple[tuple[float, ...], ...] = ()
    memory_ratio: float | None = None
    oom_kills: int | None = None
    pressure_memory_ratio: float | None = None
    pressure_io_ratio: float | None = None
    pids_peak: int | None = None


class CaseNode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A node as the scheduler has it."""

    node: str
    state: str | None = None
    reason: str | None = None


class CaseFinding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A finding that stands."""

    kind: FindingKind
    about: str
    name: str
    nodes: tuple[str, ...] = ()
    jobs: tuple[int, ...] = ()


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One case."""

    name: str
    matches: bool
    lines: tuple[CaseLine, ...] = ()
    runs: tuple[CaseRun, ...] = ()
    nodes: tuple[CaseNode, ...] = ()
    findings: tuple[CaseFinding, ...] = ()


class _CaseFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    case: tuple[Case, ...]


def read_cases(path: Path) -> tuple[Case, ...]:
    """The cases of a file; ConfigError where it cannot be used."""
    values, _ = read_table(path)
    try:
        return msgspec.convert(values, _CaseFile).case
    except msgspec.ValidationError as error:
        raise ConfigError(f"{error}: compare with a case file that is shipped", path=path) from error


def claims_of(problem: ProblemDefinition, case: Case) -> list[Claim]:
    """What the problem says of the case."""
    observed, standing = observed_of(case)
    return matches([problem], observed, standing)


def observed_of(case: Case) -> tuple[Observed, tuple[Finding, ...]]:
    """The case as detectors and matchers want it."""
    events = sorted((event for line in case.lines for event in _events(line)), key=lambda event: event.time_ns)
    runs = [(_run(run), run) for run in case.runs]
    observed = Observed(
        now_ns=NOW_NS,
        runs=tuple(placed for placed, _ in runs if placed.end_ns is not None),
        loads=tuple(_load(placed, run) for placed, run in runs),
        events=tuple(events),
        nodes={one.node: NodeMakeup(node=one.node, state=one.state, reason=one.reason) for one in case.nodes},
    )
    return observed, tuple(_finding(number, one) for number, one in enumerate(case.findings, start=1))


def _events(line: CaseLine) -> list[LoggedEvent]:
    time_ns = NOW_NS - round(line.ago_s * NS_PER_S)
    told: dict[str, Any] = {"job_id": line.job} if line.job is not None else {}
    raw = LogLine(
        id="case",
        time_ns=time_ns,
        node=line.node,
        message=line.text,
        program=line.program,
        repeats=line.repeats,
        **told,
    )
    known = msgspec.structs.replace(understood(raw), time_ns=time_ns)
    return list(events_of(StoredLine(known, JobOwner(line.user), LogPlace(time_ns, 1))))


def _run(run: CaseRun) -> PlacedRun:
    end_ns = None if run.ended_ago_s is None else NOW_NS - round(run.ended_ago_s * NS_PER_S)
    return PlacedRun(
        job_id=run.job,
        run=1,
        state=JobState(run.state),
        name=run.name,
        user=run.user,
        start_ns=(NOW_NS if end_ns is None else end_ns) - round(run.ran_s * NS_PER_S),
        end_ns=end_ns,
        nodes=run.nodes,
    )


def _load(placed: PlacedRun, run: CaseRun) -> RunLoad:
    limit = float(2**30)
    nodes = tuple(
        NodeLoad(
            node=node,
            cores=run.cores,
            cpu=run.cpu[place] if place < len(run.cpu) else (),
            memory_peak_bytes=None if run.memory_ratio is None else run.memory_ratio * limit,
            memory_limit_bytes=limit,
            oom_kills=run.oom_kills,
            pressure_memory_ratio=run.pressure_memory_ratio,
            pressure_io_ratio=run.pressure_io_ratio,
            pids_peak=run.pids_peak,
        )
        for place, node in enumerate(run.nodes)
    )
    return RunLoad(run=placed, nodes=nodes, exit_code=run.exit_code, exit_signal=run.exit_signal)


def _finding(number: int, one: CaseFinding) -> Finding:
    claim = Claim(
        kind=one.kind,
        subject=Entity(one.about, one.name),
        score=3.0,
        basis="case",
        from_ns=NOW_NS - 600 * NS_PER_S,
        to_ns=NOW_NS,
        jobs=one.jobs,
        entities=tuple(Entity("node", node) for node in one.nodes),
        sentence="case",
        hint="case",
    )
    return Finding(
        number=number, claim=claim, incident=number, state=FindingState.OPEN, rank=3.0, first_ns=NOW_NS, last_ns=NOW_NS
    )
