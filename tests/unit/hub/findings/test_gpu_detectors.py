"""GPUs that are held and idle, and what is used without having been given: found, and told to whom it concerns."""

from __future__ import annotations

import msgspec
import pytest

from slurmlens.clock import NS_PER_S
from slurmlens.events import Outsider
from slurmlens.hub.findings.claims import FindingKind
from slurmlens.hub.findings.detectors.idle_gpus import idle_gpus
from slurmlens.hub.findings.detectors.used_outside import used_outside
from slurmlens.hub.findings.observed import GpuLoad, Observed, RunLoad
from slurmlens.hub.findings.reading import RecentRuns
from slurmlens.hub.findings.stage import FindingStage
from slurmlens.hub.news import RunsChanged
from slurmlens.hub.node_states.facts import GpuUsedOutside, OutsidersTold
from slurmlens.hub.node_states.read import NodeStateQueries
from slurmlens.slurm.records import JobState
from testkit.findings import NOW_NS, finding_room, load
from testkit.gpu_states import gpu_state
from testkit.hub_history import History, record
from testkit.told_events import Told


def gpu(name: str, idle_s: float, *, ago_s: float = 30, shared: bool = False, processes: int = 1) -> GpuLoad:
    told_ns = NOW_NS - round(ago_s * NS_PER_S)
    seen_s = max(idle_s, 7200.0)
    return GpuLoad(
        node="n1", name=name, told_ns=told_ns, seen_s=seen_s, idle_s=idle_s, is_shared=shared, processes=processes
    )


def running(*gpus: GpuLoad) -> RunLoad:
    return msgspec.structs.replace(load(7, {"n1": [4.0] * 60}), gpus=gpus)


def seen(**what: object) -> Observed:
    return Observed(now_ns=NOW_NS, **what)  # type: ignore[arg-type]


def test_gpus_that_have_done_nothing_for_half_an_hour_are_told_by_address() -> None:
    held = running(gpu("0000:01", 0), gpu("0000:02", 7000, processes=0), gpu("0000:03", 2400), gpu("0000:04", 100))
    (claim,) = idle_gpus(seen(loads=(held,)))
    assert claim.sentence == ("2 of 4 GPUs of job 7 have done nothing for 40 min: 0000:02 of n1, 0000:03 of n1.")
    assert (claim.kind, claim.detail, claim.jobs) == (FindingKind.HELD_IDLE, "GPUs", (7,))
    assert "no process on 1 of 2" in claim.basis
    assert claim.values["gpu_hours"] == 2.6


@pytest.mark.parametrize(
    "one",
    [gpu("0000:01", 1799), gpu("0000:01", 9000, ago_s=700), gpu("0000:01", 9000, shared=True)],
    ids=["a pause", "not heard of lately", "shared with another job"],
)
def test_what_may_have_another_reason_is_no_idle_gpu(one: GpuLoad) -> None:
    assert list(idle_gpus(seen(loads=(running(one),)))) == []


def test_more_idle_gpu_hours_rank_higher() -> None:
    one, eight = running(gpu("0000:01", 3600)), running(*(gpu(f"0000:0{place}", 36_000) for place in range(8)))
    (little,), (much,) = (list(idle_gpus(seen(loads=(each,)))) for each in (one, eight))
    assert much.score > little.score


def test_a_gpu_used_by_a_job_that_was_given_others_is_told_to_that_job_without_names() -> None:
    told = OutsidersTold(
        node="n1", told_ns=NOW_NS, gpus=(GpuUsedOutside(uuid="GPU-1", pci="0000:41", jobs=(9,), users=(1002,)),)
    )
    (claim,) = used_outside(seen(outsiders=(told,)))
    assert claim.sentence == (
        "n1: GPU 0000:41 is used by job 9, which was given others, user 1002, who has no job there."
    )
    assert claim.jobs == (9,)
    assert "1002" not in claim.hint


def test_who_computes_without_a_job_is_told_and_who_only_looks_is_not() -> None:
    users = (Outsider(uid=1001, cpu_cores=3.5, memory_bytes=2**30), Outsider(uid=1002, cpu_cores=0.01))
    (claim,) = used_outside(seen(outsiders=(OutsidersTold(node="n1", told_ns=NOW_NS, users=users),)))
    assert claim.sentence == "user 1001 computes on n1 without a job: 3.5 cores busy, 1.0 GiB."
    assert "1001" not in claim.hint
    looks = OutsidersTold(node="n1", told_ns=NOW_NS, users=users[1:])
    assert list(used_outside(seen(outsiders=(looks,)))) == []


async def test_what_nodes_tell_of_gpus_becomes_findings(history: History) -> None:
    room, states = finding_room(history), NodeStateQueries(history.store, "demo")
    recent = RecentRuns(history.store, "demo")
    told = (room, history.queries, recent, None, None, history.news, history.clock, history.reporter)
    stage = FindingStage(*told, states)
    job, other = Told(7, "n1"), Told(8, "n1")
    await history.hear(job.start(0), other.start(0))
    await history.learn(*(record(JobState.RUNNING, job_id=one, nodes=("n1",), start=0) for one in (7, 8)))
    history.clock.advance(4000)
    await history.hear(gpu_state(job, 3990, seen_s=3900, idle_s=3900, outsiders=(8,)))
    stage.note([RunsChanged(7), RunsChanged(8)])
    found = {(one.claim.kind, one.claim.subject.name): one.claim for one in await stage.turn()}
    assert found[FindingKind.HELD_IDLE, "7"].detail == "GPUs"
    assert found[FindingKind.USED_OUTSIDE, "n1"].jobs == (8,)
