"""The newest state of each node and each job's GPUs, kept and asked: whatever order they come in, and whoever asks."""

from __future__ import annotations

import msgspec
import pytest

from slurmlens.events import GpuHolding, GpuState, MachineState, NodeReading
from slurmlens.hub.access.viewer import EVERYBODY, Viewer
from slurmlens.hub.node_states.read import NodeStateQueries
from testkit.hub_history import History
from testkit.told_events import Told, at_ns

NOBODY = Viewer("mallory", frozenset())


def state(told: Told, seconds: float, busy_s: float, load: float) -> MachineState:
    """What a node tells of itself and of the one GPU of its job."""
    start = told.start(1)
    holding = GpuHolding(
        uuid="GPU-1",
        sighting=start.sighting,
        job_id=start.job.job_id,
        by="cgroup",
        since_ns=start.time_ns,
        told_ns=at_ns(seconds),
        seen_s=100.0,
        busy_s=busy_s,
    )
    return MachineState(
        id=f"state-{seconds}",
        time_ns=at_ns(seconds),
        boot_id=start.boot_id,
        boottime_ns=start.boottime_ns,
        cluster=start.cluster,
        node=start.node,
        interval_s=60.0,
        readings=(NodeReading("load.load_1min_count", "", load),),
        gpus=(GpuState(uuid="GPU-1", outsiders=(99,)),),
        holdings=(holding,),
    )


@pytest.fixture
def queries(history: History) -> NodeStateQueries:
    return NodeStateQueries(history.store, "demo")


async def test_the_newest_state_is_kept_whatever_order_they_come_in(
    history: History, queries: NodeStateQueries
) -> None:
    told = Told(7, "n1")
    await history.hear(told.start(1))
    applied = await history.hear(state(told, 20, 50.0, 2.0), state(told, 10, 5.0, 1.0))
    assert [event.id for event in applied.new] == ["state-20"]
    assert (await history.hear(state(told, 15, 9.0, 9.0))).new == ()
    found = await queries.of_node(EVERYBODY, "n1")
    assert found is not None
    assert [one.value for one in found.readings] == [2.0]
    (gpu,) = await queries.of_job(EVERYBODY, 7, 1)
    assert (gpu.node, gpu.holding.busy_s) == ("n1", 50.0)


async def test_a_state_names_no_jobs_of_others(history: History, queries: NodeStateQueries) -> None:
    told = Told(7, "n1")
    await history.hear(told.start(1), state(told, 20, 50.0, 2.0))
    found = await queries.of_node(EVERYBODY, "n1")
    assert found is not None
    assert [gpu.outsiders for gpu in found.gpus] == [()]
    assert [one.gpu.outsiders for one in await queries.of_job(EVERYBODY, 7, 1)] == [()]


async def test_gpus_of_a_job_are_seen_by_those_who_see_the_job(history: History, queries: NodeStateQueries) -> None:
    told = Told(7, "n1")
    await history.hear(told.start(1), state(told, 20, 50.0, 2.0))
    assert await queries.of_job(NOBODY, 7, 1) == ()
    assert len(await queries.of_job(EVERYBODY, 7, 1)) == 1
    assert await queries.of_job(EVERYBODY, 7, 2) == ()


async def test_a_node_that_told_nothing_has_no_state(queries: NodeStateQueries) -> None:
    assert await queries.of_node(EVERYBODY, "n1") is None


async def test_states_and_gpus_age(history: History, queries: NodeStateQueries) -> None:
    from slurmlens.hub.database.retention import Retention
    from slurmlens.hub.node_states.retention import kinds_of_node_states

    told = Told(7, "n1")
    told_of_disk = {
        ("filesystem.size_bytes", "/"): 1e12,
        ("filesystem.used_ratio", "/"): 0.5,
        ("disk.busy_ratio", "a"): 0.5,
    }
    disk = tuple(NodeReading(name, of, value) for (name, of), value in told_of_disk.items())
    await history.hear(told.start(1), msgspec.structs.replace(state(told, 20, 50.0, 2.0), readings=disk))
    history.clock.advance(100 * 86_400)
    for kind in kinds_of_node_states(90):
        due = await history.store.read(lambda connection, kind=kind: kind.due(connection, history.clock.wall_ns(), 10))
        assert due is not None
        assert (
            await history.store.write(lambda transaction, kind=kind, due=due: kind.remove(transaction, due.items)) == 1
        )
    assert Retention
    assert await queries.of_node(EVERYBODY, "n1") is None
