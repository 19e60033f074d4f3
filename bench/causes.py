"""CAUSES: the probable cause that a job's page names, on jobs that die on a real small Slurm, each in a way of its own.

Some seventy deaths with their labels (`deaths`), most of them beside each other on eight nodes with our daemons and a
hub; ordinary jobs run among them, so that a node that fails is not like the others. What the page of each says when all
have ended is counted into a confusion matrix, which goes to docs/causes.md with every death by name.
"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.errors import DeployError, MachineLacks
from deploy.sandbox import Sandbox
from deploy.slurm import SmallSlurm
from deploy.slurmlens import APP_SOCKETS, NodeDaemon, NodeSettings
from deploy.stack import CLUSTER, Stack
from deploy.workloads import build

from bench.deaths import FAULTY, HIGH, LOST, LOW, UNLUCKY, Death, Deed, all_deaths
from bench.programs import program
from bench.result import Goal, NotMeasurable, Result, Row
from bench.setting import Setting
from deploy import json_client, slurmlens
from slurmlens.hub.views.job.cause_rules import CauseKind

ROWS = (
    Row(
        "CAUSES",
        "causes of death that the page names rightly, of deaths made on real Slurm",
        Goal(0.8, at_least=True),
        Goal(0.95, at_least=True),
        "what killed them",
    ),
    Row("CAUSES", "causes that are named and wrong / named", Goal(0.1), Goal(0.03), "what killed them"),
)
NODES = 8
SHARED = 4
USERS = ("alice", "bob", "carol", "dave", "eve")
WELL = 120
MOST_S = 420.0
POLL_S = 1.0
FINDINGS_S = 6.0
DOCUMENT = "causes.md"


@dataclass(frozen=True)
class Made:
    """A death that has been: its job, what Slurm said of it, what the page says."""

    death: Death
    job_id: int
    state: str
    said: CauseKind
    level: str | None
    evidence: tuple[str, ...]

    @property
    def is_right(self) -> bool:
        return self.said is self.death.cause


def measure(setting: Setting) -> list[Result]:
    deaths = list(all_deaths())
    try:
        with _stack() as stack:
            made = Scene(stack).run(deaths)
    except MachineLacks as error:
        raise NotMeasurable(str(error)) from error
    print(matrix(made), flush=True)
    setting.documents[DOCUMENT] = document(made)
    right = sum(one.is_right for one in made)
    named = [one for one in made if one.said is not CauseKind.NOT_KNOWN]
    wrong = [one for one in named if not one.is_right]
    words = "; ".join(f"{one.death.cause}, {one.death.variant}: {one.said}" for one in made if not one.is_right)
    return [
        ROWS[0].measured(right / len(made), f"{right} of {len(made)}, docs/causes.md; wrong: {words or 'none'}"),
        ROWS[1].measured(len(wrong) / len(named), f"{len(wrong)} of {len(named)}"),
    ]


@contextmanager
def _stack() -> Iterator[Stack]:
    """Eight nodes: four that many share, one each for the faulty, the preempted, the unlucky, the lost."""
    with Sandbox() as sandbox:
        extra = "PreemptType=preempt/partition_prio\nPreemptMode=CANCEL\nSlurmdTimeout=60\nBatchStartTimeout=5"
        stack = Stack(sandbox, nodes=NODES, extra_conf=extra, hooks=_hooks)
        names = stack.slurm.node_names
        settings = stack.slurm.settings
        stack.slurm.settings = dataclasses.replace(settings, extra=f"{settings.extra}\n{_partitions(names)}")
        stack.nodes = {name: _node_daemon(stack, name) for name in names}
        try:
            stack.start_slurm()
            stack.start_hub()
            stack.start_nodes()
            stack.start_forwarders()
            yield stack
        finally:
            stack.stop()


def _hooks(sandbox: Sandbox) -> tuple[Path | None, Path | None]:
    """Ours, and behind our Prolog one that fails in a partition."""
    prolog, epilog = slurmlens.hooks(sandbox)
    failing = prolog.parent / "prolog"
    failing.write_text(f'#!/bin/sh\n{prolog}\n[ "$SLURM_JOB_PARTITION" != {UNLUCKY} ]\n')
    failing.chmod(0o755)
    return failing, epilog


def _partitions(names: Sequence[str]) -> str:
    faulty, low, unlucky, lost = names[SHARED:]
    options = "State=UP DefMemPerCPU=64 OverSubscribe=FORCE:16"
    return "\n".join(
        [
            f"PartitionName=shared Nodes={','.join(names[:SHARED])} {options}",
            f"PartitionName={FAULTY} Nodes={faulty} {options}",
            f"PartitionName={UNLUCKY} Nodes={unlucky} {options}",
            f"PartitionName={LOST} Nodes={lost} {options}",
            f"PartitionName={LOW} Nodes={low} State=UP DefMemPerCPU=64 PriorityTier=1 GraceTime=0",
            f"PartitionName={HIGH} Nodes={low} State=UP DefMemPerCPU=64 PriorityTier=10 PreemptMode=OFF",
        ]
    )


def _node_daemon(stack: Stack, name: str) -> NodeDaemon:
    """With the socket where jobs log."""
    tables = f'\n[logs.syslog]\nsocket = "{APP_SOCKETS}/{name}/log"\n'
    settings = NodeSettings(CLUSTER, stack.hub.url, stack.carbon.port, interval_s=1, slow_every=5, tables=tables)
    return NodeDaemon(stack.sandbox, name, settings)


class Scene:
    """Submits, does the deeds, waits for the ends, reads the pages."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._slurm: SmallSlurm = stack.slurm
        self._programs = _programs(stack.sandbox)
        self._owners: dict[int, str] = {}

    def run(self, deaths: Sequence[Death]) -> list[Made]:
        jobs: dict[int, Death] = {}
        for death in deaths:
            if death.deed in (Deed.PREEMPT, Deed.NODE_DOWN):
                continue
            jobs[self._submit(death, len(jobs))] = death
            if len(jobs) == 20:
                self._submit_those_that_go_well()
        self._do(jobs, (Deed.CANCEL, Deed.ROOT_CANCELS, Deed.CANCEL_KILL, Deed.CANCEL_STEP))
        for death in deaths:
            if death.deed is Deed.PREEMPT:
                jobs[self._preempted(death, len(jobs))] = death
        self._lose_node(jobs, Deed.NODE_DIES)  # slurmctld misses a job that is older than its launch may take
        down = [death for death in deaths if death.deed is Deed.NODE_DOWN]
        jobs |= {self._submit(death, len(jobs) + number): death for number, death in enumerate(down)}
        self._lose_node(jobs, Deed.NODE_DOWN)
        return self._seen(jobs)

    def _submit(self, death: Death, number: int) -> int:
        user = USERS[number % len(USERS)]
        partition = () if "-p" in death.options else ("-p", "shared")
        options = (f"--job-name=d{number}", "--mem=64", *partition, *death.options)
        job_id = self._slurm.submit(death.script, *options, user=user, env={"PROGRAMS": self._programs})
        self._owners[job_id] = user
        return job_id

    def _submit_those_that_go_well(self) -> None:
        for user in USERS:
            tasks = f"--array=1-{WELL // len(USERS)}"
            self._slurm.submit("sleep 0.1", "-p", "shared", "--mem=8", tasks, user=user)

    def _do(self, jobs: dict[int, Death], deeds: Sequence[Deed]) -> None:
        for job_id, death in jobs.items():
            if death.deed not in deeds:
                continue
            self._until_at_work(job_id, "srun" in death.script)
            root = death.deed is Deed.ROOT_CANCELS
            words = {Deed.CANCEL_KILL: ["--signal=KILL", "--full"]}.get(death.deed, [])
            what = f"{job_id}.0" if death.deed is Deed.CANCEL_STEP else str(job_id)
            self._slurm.slurm("scancel", *words, what, user=None if root else self._owners[job_id])

    def _until_at_work(self, job_id: int, has_step: bool) -> None:
        self._until(lambda: self._slurm.state(job_id) == "RUNNING", f"job {job_id} runs")
        if has_step:
            step = ("squeue", "--steps", "--noheader", f"--jobs={job_id}", "--format=%i")
            self._until(lambda: f"{job_id}.0" in self._slurm.slurm(*step, check=False), f"step of {job_id}")
        time.sleep(2.0)  # so that there is something to be seen of it

    def _preempted(self, death: Death, number: int) -> int:
        job_id = self._submit(death, number)
        self._until_at_work(job_id, "srun" in death.script)
        taker = self._slurm.submit("true", "-p", HIGH, "--exclusive")
        self._slurm.wait(taker, timeout_s=120)
        return job_id

    def _lose_node(self, jobs: dict[int, Death], deed: Deed) -> None:
        mine = {job_id: death for job_id, death in jobs.items() if death.deed is deed}
        node = self._slurm.node_names[-1]
        for job_id, death in mine.items():
            self._until_at_work(job_id, "srun" in death.script)
        if deed is Deed.NODE_DOWN:
            self._slurm.slurm("scontrol", "update", f"nodename={node}", "state=down", "reason=power")
        else:
            for job_id in mine:
                self._stack.sandbox.run(["pkill", "-KILL", "-f", rf"slurmstepd: \[{job_id}\."], check=False)
            self._slurm.slurmds[node].kill()
            self._slurm.slurmds[node].start()
        self._until(lambda: all(self._slurm.state(job_id) != "RUNNING" for job_id in mine), f"end of {list(mine)}")
        self._back(node)

    def _back(self, node: str) -> None:
        said = self._slurm.slurm("scontrol", "show", "node", node)
        if "DOWN" in said or "DRAIN" in said:
            self._slurm.slurm("scontrol", "update", f"nodename={node}", "state=resume", check=False)
        show = ("sinfo", "--noheader", f"--nodes={node}", "--format=%t")
        self._until(lambda: self._slurm.slurm(*show).split()[0] in ("idle", "mix", "alloc"), f"{node} is back")

    def _seen(self, jobs: dict[int, Death]) -> list[Made]:
        """What the pages say once each says that its job is over, and the hub has looked for findings again."""
        self._until(lambda: self._are_over(jobs), "all have ended", lambda: self._open(jobs))
        self._until_nothing_new_is_found()
        return [_made(death, job_id, self._page(job_id)) for job_id, death in jobs.items()]

    def _are_over(self, jobs: dict[int, Death]) -> bool:
        self._care_for_unlucky()
        return all(self._is_over(job_id) for job_id in jobs)

    def _until_nothing_new_is_found(self) -> None:
        """The hub looks for findings some seconds after the news."""
        found: list[Any] = []
        while found[-3:] != [found[-1]] * 3 if found else True:
            time.sleep(FINDINGS_S)
            view = json_client.get(f"{self._stack.hub.url}/findings.json")
            found.append([row["lead"]["sentence"] for row in view["rows"]])

    def _is_over(self, job_id: int) -> bool:
        view = self._page(job_id)
        return bool(view) and view["phase"] == "ended" and not view["is_live"]

    def _care_for_unlucky(self) -> None:
        """A failed Prolog drains its node, and what may be requeued waits there, held, for ever."""
        node = self._slurm.node_names[SHARED + 2]
        if "drain" in self._slurm.slurm("sinfo", "--noheader", f"--nodes={node}", "--format=%T"):
            self._slurm.slurm("scontrol", "update", f"nodename={node}", "state=resume", check=False)

    def _open(self, jobs: dict[int, Death]) -> str:
        open_jobs = [job_id for job_id in jobs if not self._is_over(job_id)]
        return ", ".join(f"{jobs[one].cause} {jobs[one].variant}: {self._slurm.state(one)}" for one in open_jobs)

    def _page(self, job_id: int) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json_client.get(f"{self._stack.hub.url}/jobs/{job_id}/1.json")
        except DeployError:
            return {}
        return found

    def _until(self, holds: Callable[[], bool], what: str, more: Callable[[], str] = lambda: "") -> None:
        deadline_s = time.monotonic() + MOST_S
        while not holds():
            if time.monotonic() > deadline_s:
                raise DeployError(f"not within {MOST_S:g} s: {what}; {more()}")
            time.sleep(POLL_S)


def _programs(sandbox: Sandbox) -> str:
    folder = build.build(sandbox)
    for name, compiler in (("crash", "cc"), ("mpi_abort", "mpicc.mpich")):
        sandbox.run(["install", "-m", "755", str(program(name, compiler)), str(folder / name)])
    return str(folder)


def _made(death: Death, job_id: int, view: dict[str, Any]) -> Made:
    cause = view["cause"] or {"kind": CauseKind.NOT_KNOWN, "evidence": ()}  # the page names none of a run that did well
    return Made(
        death, job_id, view["state_text"], CauseKind(cause["kind"]), cause.get("level"), tuple(cause["evidence"])
    )


def matrix(made: Sequence[Made]) -> str:
    """Rows are what killed them, columns what their pages say, in the same order."""
    kinds = [kind for kind in CauseKind if any(kind in (one.death.cause, one.said) for one in made)]
    counts = Counter((one.death.cause, one.said) for one in made)
    width = max(len(kind) for kind in kinds)
    head = " " * width + "".join(f"{number:>4}" for number in range(1, len(kinds) + 1))
    rows = [
        f"{was.value:<{width}}" + "".join(f"{counts[was, said] or '.':>4}" for said in kinds) + f"   {number}"
        for number, was in enumerate(kinds, 1)
    ]
    return "\n".join([head, *rows])


def document(made: Sequence[Made]) -> str:
    """docs/causes.md."""
    right = sum(one.is_right for one in made)
    lines = [
        "# Causes of death, made on a real Slurm",
        "",
        'Written by `make bench ARGS="--only CAUSES --output docs/performance.md"`; do not edit. Every job was made to',
        "die in the way that its label says, on a real small Slurm with a daemon on each node and a hub; what its page",
        f"names as the probable cause ([findings.md](findings.md)) was right for {right} of {len(made)}.",
        "",
        "Rows are what killed them, columns what their pages say, in the same order.",
        "",
        "```",
        matrix(made),
        "```",
        "",
        "Not made here, for this takes hardware or the whole machine: `node-memory`, `gpu`.",
        "",
        "| killed by | how | Slurm says | the page says | how sure | evidence |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.death.cause} | {one.death.variant} | {one.state} | {'' if one.is_right else '**'}{one.said}"
        f"{'' if one.is_right else '**'} | {one.level or ''} | {'; '.join(one.evidence).replace('|', '/')} |"
        for one in made
    ]
    return "\n".join(lines) + "\n"
