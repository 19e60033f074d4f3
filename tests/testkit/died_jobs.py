"""Runs that died, made by hand with what is known of each: the labelled set of why jobs die.

Owns the cases: fourteen causes (and "not known") in five variants each, as the releases of Slurm, the two versions of
cgroups and what a site has set up make them look: with and without log lines, counters, accounting, findings, and with
things beside that are not the cause. Job 4711 of `job_parts`, on c1 and c2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from slurmlens.events import Figure, FigureSource
from slurmlens.hub.findings.claims import Claim, Finding, FindingKind, FindingState
from slurmlens.hub.history.facts import JobFacts, NodeFacts, NodeState, OutcomeSource
from slurmlens.hub.inventory.entities import Entity
from slurmlens.hub.logs.query import JobOwner, LogPlace, StoredLine
from slurmlens.hub.logs.understanding import understood
from slurmlens.hub.views.job.cause_rules import CauseKind
from slurmlens.log_lines import LogLine
from slurmlens.slurm.records import JobState
from testkit.job_parts import (
    START_NS,
    S,
    exact,
    make_facts,
    make_node,
    make_profile,
    make_record,
    make_totals,
    steady,
    until,
)

GIB = 2**30
OOM_V2 = (
    "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=task_0,mems_allowed=0,oom_memcg=/system.slice/"
    "slurmstepd.scope/job_4711/step_0,task_memcg=/system.slice/slurmstepd.scope/job_4711/step_0/user/task_0,task=gemm,"
    "pid=77,uid=1001"
)
OOM_V1 = "Task in /slurm/uid_1001/job_4711/step_0 killed as a result of limit of /slurm/uid_1001/job_4711"
GLOBAL_OOM = (
    "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0-1,global_oom,"
    "task_memcg=/system.slice/slurmstepd.scope/job_4711/step_0/user/task_0,task=gemm,pid=77,uid=1001"
)
SEGFAULT = "gemm[77]: segfault at 0 ip 0000000000401136 sp 00007ffd9 error 6 in gemm[401000+1000]"
XID_APPLICATION = "NVRM: Xid (PCI:0000:3b:00): 31, pid=77, name=gemm, Ch 00000008, MMU Fault"
XID_DEVICE = "NVRM: Xid (PCI:0000:3b:00): 79, pid=77, name=gemm, GPU has fallen off the bus."


class DiedJob(NamedTuple):
    """A run with its label."""

    cause: CauseKind
    variant: str
    facts: JobFacts
    lines: tuple[StoredLine, ...] = ()
    findings: tuple[Finding, ...] = ()


def line(text: str, *, at_s: float = 29, node: str = "c1", program: str = "kernel") -> StoredLine:
    time_ns = START_NS + round(at_s * S)
    raw = LogLine(id=text, time_ns=time_ns, node=node, message=text, program=program)
    known = msgspec.structs.replace(understood(raw), time_ns=time_ns)
    return StoredLine(known, JobOwner("alice"), LogPlace(time_ns, 1))


def finding(kind: FindingKind, detail: str = "", node: str = "c2", jobs: Sequence[int] = (4711, 4702)) -> Finding:
    claim = Claim(
        kind=kind,
        subject=Entity("node", node),
        detail=detail,
        score=3.0,
        basis="made",
        from_ns=START_NS,
        to_ns=START_NS + 60 * S,
        jobs=tuple(jobs),
        sentence=f"{node}: {detail or kind.value}.",
        hint="",
    )
    return Finding(number=1, claim=claim, incident=1, state=FindingState.OPEN, rank=3.0, first_ns=0, last_ns=0)


def nodes(seconds: float, **totals: object) -> tuple[NodeFacts, ...]:
    return tuple(make_node(name, seconds, totals=make_totals(**totals)) for name in ("c1", "c2"))


def working(seconds: float, stop_s: float | None = None, both: bool = True) -> tuple[NodeFacts, ...]:
    """Two nodes that worked, until `stop_s` where it is given."""
    found = []
    for number, name in enumerate(("c1", "c2")):
        course = steady(1.9, seed=number + 1)
        if stop_s is not None and (both or number):
            course = until(course, stop_s)
        profile = make_profile(seconds, {"cpu_cores": course}, width_s=max(1.0, seconds / 200))
        found.append(make_node(name, seconds, profile=profile))
    return tuple(found)


def died(state: str, seconds: float = 31, code: int = 0, signal: int = 0, **changes: object) -> JobFacts:
    job_state = JobState(state)
    record = make_record(job_state, seconds, exit_code=code, exit_signal=signal, **changes.pop("record", {}))  # type: ignore[arg-type]
    label = f"{state} {code}:{signal}" if state == "FAILED" else state
    changes.setdefault("nodes", working(seconds))
    return make_facts(job_state, label, seconds, record=record, **changes)


def outcome(**changes: object) -> dict[str, object]:
    return {"outcome_changes": changes}


def all_cases() -> Iterator[DiedJob]:
    """The whole set, cause by cause."""
    for cases in (
        *(_job_memory, _node_memory, _time_limit, _stood_still, _cancelled, _preempted, _node_lost, _crash),
        *(_not_found, _program, _gpu, _launch, _file_system, _faulty_node, _not_known),
    ):
        yield from cases()


def _job_memory() -> Iterator[DiedJob]:
    full = nodes(31, oom_kills=1, memory_peak_bytes=exact(2.0 * GIB), memory_limit_bytes=2 * GIB)
    kind = CauseKind.JOB_MEMORY
    yield DiedJob(kind, "Slurm and our counters", died("OUT_OF_MEMORY", 31, 0, 125, nodes=full, **outcome(oom_kills=2)))
    yield DiedJob(kind, "Slurm's mark alone, never sampled", died("FAILED", 2, 0, 125, nodes=()))
    yield DiedJob(kind, "exit 137 and the kernel's line, v2", died("FAILED", 31, 137), (line(OOM_V2),))
    yield DiedJob(
        kind, "exit 1 and the kernel's line, v1", died("FAILED", 31, 1), (line(OOM_V1), line(SEGFAULT, at_s=30))
    )
    yield DiedJob(
        kind,
        "the script went on and failed; counters saw it",
        died("FAILED", 31, 2, nodes=full, **outcome(oom_kills=1)),
    )


def _node_memory() -> Iterator[DiedJob]:
    kind = CauseKind.NODE_MEMORY
    yield DiedJob(kind, "a task of it was chosen", died("FAILED", 31, 137), (line(GLOBAL_OOM),))
    killed = "Out of memory: Killed process 77 (gemm) total-vm:900kB, anon-rss:800kB, file-rss:0kB, shmem-rss:0kB"
    yield DiedJob(kind, "the victim's line, old kernel", died("FAILED", 31, 0, 9), (line(killed),))
    yield DiedJob(kind, "slurmd was chosen, the node lost", died("NODE_FAIL", 31), (line(GLOBAL_OOM), line(killed)))
    problem = finding(FindingKind.KNOWN_PROBLEM, "host-out-of-memory")
    yield DiedJob(kind, "and it is a known problem there", died("FAILED", 31, 137), (line(GLOBAL_OOM),), (problem,))
    yield DiedJob(kind, "beside an exit code of its own", died("FAILED", 31, 1), (line(GLOBAL_OOM, at_s=30.5),))


def _time_limit() -> Iterator[DiedJob]:
    kind = CauseKind.TIME_LIMIT
    limit = line("Time limit exhausted for JobId=4711", at_s=601, program="slurmctld")
    yield DiedJob(kind, "Slurm says so", died("TIMEOUT", 600))
    yield DiedJob(kind, "and slurmctld's line", died("TIMEOUT", 601), (limit,))
    yield DiedJob(
        kind, "its ranks crashed when told to end", died("TIMEOUT", 602, 0, 15), (limit, line(SEGFAULT, at_s=602))
    )
    yield DiedJob(kind, "one node was done a little earlier", died("TIMEOUT", 600, nodes=working(600, 580, both=False)))
    yield DiedJob(kind, "deadline", died("DEADLINE", 600))


def _stood_still() -> Iterator[DiedJob]:
    kind = CauseKind.STOOD_STILL
    yield DiedJob(kind, "all of it for half its time", died("TIMEOUT", 600, nodes=working(600, 300)))
    yield DiedJob(kind, "for a fifth", died("TIMEOUT", 600, nodes=working(600, 470)))
    limit = line("Time limit exhausted for JobId=4711", at_s=601, program="slurmctld")
    stopped = finding(FindingKind.STOPPED)
    yield DiedJob(kind, "and a finding said so", died("TIMEOUT", 600, nodes=working(600, 200)), (limit,), (stopped,))
    yield DiedJob(kind, "one node of two", died("TIMEOUT", 600, nodes=working(600, 100, both=False)), (), (stopped,))
    yield DiedJob(kind, "on a whole day", died("TIMEOUT", 86_400, nodes=working(86_400, 40_000)))


def _cancelled() -> Iterator[DiedJob]:
    kind = CauseKind.CANCELLED
    asked = line("_slurm_rpc_kill_job: REQUEST_KILL_JOB JobId=4711 uid 1001", program="slurmctld")
    yield DiedJob(kind, "by its owner", died("CANCELLED", 31, **outcome(cancelled_by="alice")))
    yield DiedJob(kind, "and slurmctld's line", died("CANCELLED", 31, **outcome(cancelled_by="root")), (asked,))
    yield DiedJob(kind, "ended by SIGTERM", died("CANCELLED", 31, 0, 15))
    yield DiedJob(kind, "it had stood still before", died("CANCELLED", 600, nodes=working(600, 300)), (asked,))
    yield DiedJob(kind, "a rank crashed on the way", died("CANCELLED", 31), (asked, line(SEGFAULT, at_s=31)))


def _preempted() -> Iterator[DiedJob]:
    kind = CauseKind.PREEMPTED
    told = line("preempted JobId=4711 has been killed to reclaim resources for JobId=4712", program="slurmctld")
    yield DiedJob(kind, "Slurm says so", died("PREEMPTED", 31))
    yield DiedJob(kind, "and slurmctld's line", died("PREEMPTED", 31), (told,))
    yield DiedJob(kind, "with a signal", died("PREEMPTED", 31, 0, 15))
    yield DiedJob(kind, "a rank crashed when told to end", died("PREEMPTED", 31), (told, line(SEGFAULT, at_s=31)))
    yield DiedJob(kind, "its node was under suspicion", died("PREEMPTED", 31), (), (finding(FindingKind.FAILING_NODE),))


def _node_lost() -> Iterator[DiedJob]:
    kind = CauseKind.NODE_LOST
    lost = (make_node("c1", 31), make_node("c2", 31, state=NodeState.SILENT, end_ns=None, totals=None))
    booted = (make_node("c1", 31), make_node("c2", 31, state=NodeState.RECONCILED, reconciled_reason="node booted"))
    reboot = line("Node c2 unexpectedly rebooted boot_time=1 last response=1", node="ctl", program="slurmctld")
    yield DiedJob(kind, "Slurm says so", died("NODE_FAIL", 31))
    yield DiedJob(kind, "and its daemon is silent", died("NODE_FAIL", 31, nodes=lost))
    yield DiedJob(kind, "it booted; the job is only FAILED", died("FAILED", 31, 0, 9, nodes=booted), (reboot,))
    killing = line("Killing JobId=4711 on failed node c2", program="slurmctld")
    yield DiedJob(kind, "slurmctld's lines", died("NODE_FAIL", 31), (killing, reboot))
    gone = line(
        "Batch JobId=4711 missing from batch node c1 (not found BatchStartTime after startup)", program="slurmctld"
    )
    yield DiedJob(kind, "the batch script vanished", died("NODE_FAIL", 31), (gone,))


def _crash() -> Iterator[DiedJob]:
    kind = CauseKind.CRASH
    yield DiedJob(kind, "SIGSEGV", died("FAILED", 31, 0, 11))
    yield DiedJob(kind, "139, as a shell tells it", died("FAILED", 31, 139))
    yield DiedJob(kind, "and the kernel's line", died("FAILED", 31, 139), (line(SEGFAULT),))
    yield DiedJob(kind, "an assertion", died("FAILED", 31, 134))
    trap = line("traps: gemm[77] general protection ip:401136 sp:7ffd error:0 in gemm[401000+1000]")
    yield DiedJob(kind, "mpirun made 1 of it", died("FAILED", 31, 1), (trap,))


def _not_found() -> Iterator[DiedJob]:
    kind = CauseKind.NOT_FOUND
    opcode = line("traps: gemm[77] trap invalid opcode ip:401136 sp:7ffd error:0 in gemm[401000+1000]")
    yield DiedJob(kind, "127 at once", died("FAILED", 1, 127))
    yield DiedJob(kind, "126", died("FAILED", 31, 126))
    yield DiedJob(kind, "an instruction the node lacks", died("FAILED", 31, 132), (opcode,))
    yield DiedJob(kind, "127 after an hour", died("FAILED", 3600, 127))
    problem = finding(FindingKind.KNOWN_PROBLEM, "binary-mismatch")
    yield DiedJob(kind, "known as a problem", died("FAILED", 2, 127), (), (problem,))


def _program() -> Iterator[DiedJob]:
    kind = CauseKind.PROGRAM
    yield DiedJob(kind, "exit 1", died("FAILED", 31, 1))
    yield DiedJob(kind, "exit 42 after an hour", died("FAILED", 3600, 42))
    refused = line("cgroup: fork rejected by pids controller in /system.slice/slurmstepd.scope/job_4711/step_0")
    yield DiedJob(kind, "it could fork no more", died("FAILED", 31, 1), (refused,))
    yield DiedJob(kind, "while the scheduler is silent", died("FAILED", 31, 2, **outcome(source=OutcomeSource.HOOK)))
    other = finding(FindingKind.FAILING_NODE, jobs=(1, 2))
    yield DiedJob(kind, "a finding that did not touch it", died("FAILED", 31, 3), (), (other,))


def _gpu() -> Iterator[DiedJob]:
    kind = CauseKind.GPU
    yield DiedJob(kind, "a fault of the program", died("FAILED", 31, 1), (line(XID_APPLICATION),))
    yield DiedJob(kind, "the card fell off the bus", died("FAILED", 31, 1), (line(XID_DEVICE),))
    yield DiedJob(kind, "and the program aborted", died("FAILED", 31, 134), (line(XID_DEVICE),))
    gone = line("NVRM: GPU 0000:3b:00.0: GPU has fallen off the bus.")
    yield DiedJob(
        kind, "the driver's other words", died("FAILED", 31, 1), (gone,), (finding(FindingKind.BROKEN_DEVICE),)
    )
    problem = finding(FindingKind.KNOWN_PROBLEM, "gpu-memory-dying")
    yield DiedJob(kind, "known as a problem", died("FAILED", 31, 1), (line(XID_DEVICE),), (problem,))


def _launch() -> Iterator[DiedJob]:
    kind, idle = CauseKind.LAUNCH, nodes(1, cpu_s=Figure(value=0.0, source=FigureSource.LAST_SAMPLE))
    prolog = line("error: [job 4711] prolog failed status=1:0", at_s=0.5, program="slurmd")
    yield DiedJob(kind, "Prolog failed", died("FAILED", 1, 1, nodes=idle), (prolog,))
    yield DiedJob(kind, "Slurm's mark 0:53", died("FAILED", 1, 0, 53, nodes=idle))
    error = "error: slurmd error running JobId=4711 on Node(s)=c1: Slurmd could not set up environment for batch job"
    yield DiedJob(
        kind, "no space for slurmd", died("FAILED", 1, 1, nodes=idle), (line(error, at_s=0.5, program="slurmctld"),)
    )
    start = line(
        "Killing non-startable batch JobId=4711: I/O error writing script/environment to file",
        at_s=0.5,
        program="slurmctld",
    )
    yield DiedJob(kind, "not startable", died("FAILED", 1, 0, 1, nodes=idle), (start,))
    yield DiedJob(kind, "its nodes did not boot", died("BOOT_FAIL", 300, nodes=()))


def _file_system() -> Iterator[DiedJob]:
    kind = CauseKind.FILE_SYSTEM
    evicted = "This client was evicted by fs-OST0003; in progress operations using this service will fail."
    silent = line("nfs: server nfs1 not responding, timed out", at_s=25)
    yield DiedJob(kind, "evicted by Lustre", died("FAILED", 31, 5), (line(evicted),))
    yield DiedJob(kind, "NFS timed out", died("FAILED", 31, 1), (silent,))
    xfs = line("XFS (sda3): Corruption of in-memory data detected. Shutting down filesystem")
    yield DiedJob(kind, "the local disk", died("FAILED", 31, 1), (xfs,))
    problem = finding(FindingKind.KNOWN_PROBLEM, "nfs-server-away")
    yield DiedJob(kind, "known as a problem", died("FAILED", 31, 1), (silent,), (problem,))
    quota = finding(FindingKind.KNOWN_PROBLEM, "quota")
    yield DiedJob(kind, "a quota", died("FAILED", 2, 1, nodes=working(2)), (), (quota,))


def _faulty_node() -> Iterator[DiedJob]:
    kind, failing = CauseKind.FAULTY_NODE, finding(FindingKind.FAILING_NODE)
    yield DiedJob(kind, "exit 42 on a node that fails jobs", died("FAILED", 31, 42), (), (failing,))
    guide = finding(FindingKind.KNOWN_PROBLEM, "node-fails-jobs")
    yield DiedJob(kind, "and its guide", died("FAILED", 31, 42), (), (failing, guide))
    hole = finding(FindingKind.KNOWN_PROBLEM, "black-hole")
    yield DiedJob(kind, "a black hole", died("FAILED", 2, 1, nodes=working(2)), (), (failing, hole))
    page = line("Memory failure: 0x12345: Killing gemm:77 due to hardware memory corruption")
    yield DiedJob(
        kind,
        "its memory",
        died("FAILED", 31, 135),
        (page,),
        (finding(FindingKind.KNOWN_PROBLEM, "memory-uncorrectable"),),
    )
    yield DiedJob(kind, "killed there", died("FAILED", 31, 0, 9), (), (failing,))


def _not_known() -> Iterator[DiedJob]:
    kind = CauseKind.NOT_KNOWN
    yield DiedJob(kind, "no exit code was told", died("FAILED", 31, **outcome(exit_code=None, exit_signal=None)))
    yield DiedJob(kind, "SIGKILL, far from its limit", died("FAILED", 31, 0, 9))
    yield DiedJob(kind, "137, and nothing else", died("FAILED", 31, 137))
    yield DiedJob(kind, "SIGTERM from somewhere", died("FAILED", 31, 0, 15))
    yield DiedJob(kind, "the scheduler does not say", died("UNKNOWN", 31, **outcome(exit_code=None, exit_signal=None)))
