"""A real relay under pressure: full, killed at the worst moment, behind another, and with 200 nodes at once."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from slurmlens.config.sinks import HubSinkConfig
from slurmlens.delivery.sinks.hub import HubSink
from slurmlens.errors import DeliveryError
from slurmlens.runtime.endpoint import FixedEndpoint
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire import ecs
from testkit.fault_proxy import Way, fault_proxy
from testkit.manual_clock import ManualClock
from testkit.node_process import accept
from testkit.relay_process import RelayProcess, relay_process
from testkit.scripted_server import ScriptedHttp, serving
from testkit.told_events import Told
from testkit.waiting import until

MIB = 1024 * 1024
TOKEN = "a-token-of-some-length"
PATIENCE_S = 60.0


def secret(path: Path, text: str) -> Path:
    path.write_text(text + "\n")
    path.chmod(0o600)
    return path


def settings(folder: Path, hub_port: int, listen: str = "", spool: str = "") -> str:
    """Of a relay with that hub; `listen` and `spool` are more of those tables."""
    (folder / "relay/relay.conf.d").mkdir(parents=True, exist_ok=True)
    (folder / "relay/relay.conf.d/more.toml").write_text(f"[listen]\n{listen}\n[spool]\n{spool}\n")
    return f"""
[auth]
munge = false
token_file = "{secret(folder / "tokens", f"* {TOKEN}")}"
[sinks.hub]
url = "http://127.0.0.1:{hub_port}"
auth = "token"
token_file = "{secret(folder / "relay-token", TOKEN)}"
backoff_min_s = 0.05
backoff_max_s = 0.2
"""


def sink(port: int, node: str = "n1") -> HubSink:
    """What a node sends with."""
    config, reporter = HubSinkConfig(timeout_s=30), Reporter(Counters(), ManualClock())
    return HubSink(
        config, FixedEndpoint("127.0.0.1", port), node, lambda _: f"Bearer {TOKEN}", reporter, lambda _: None
    )


def batch(node: str, jobs: range) -> bytes:
    return b"".join(ecs.encode(Told(job_id=job_id, node=node).start(job_id)) + b"\n" for job_id in jobs)


async def bring(port: int, node: str, batches: list[bytes], refusals: Counter[str]) -> None:
    """As a node does: a batch is kept until it is taken."""
    client = sink(port, node)
    for one in batches:
        while True:
            try:
                await client.deliver(one, one.count(b"\n"))
                break
            except DeliveryError as error:
                refusals[" ".join(str(error).split()[4:5])] += 1
                await asyncio.sleep(0.05)
    await client.aclose()


async def waiting_lines(relay: RelayProcess) -> int:
    """What the relay holds for its hub."""
    (backlog,) = [one.backlog_lines for one in (await relay.status()).sinks if one.name == "hub"]
    return backlog


async def until_waiting(relay: RelayProcess, count: int) -> None:
    async def so_many_wait() -> bool:
        return await waiting_lines(relay) == count

    await until(so_many_wait, f"{count} lines wait")


def ids(hub: ScriptedHttp) -> Counter[str]:
    """How often each event came to the hub."""
    return Counter(ecs.decode(line).id for request in hub.requests for line in request.lines)


def has(hub: ScriptedHttp, count: int) -> Callable[[], bool]:
    return lambda: len(ids(hub)) == count


async def test_nodes_keep_what_a_full_relay_does_not_take_and_each_event_comes_once(tmp_path: Path) -> None:
    hub, refusals = ScriptedHttp([accept]), Counter[str]()
    small = f"max_bytes = {16 * MIB}\nfull_share = 0.01"
    async with relay_process(tmp_path / "relay", settings(tmp_path, 1, spool=small)) as relay:
        batches = {
            f"n{number}": [batch(f"n{number}", range(at + 1, at + 21)) for at in range(0, 200, 20)]
            for number in range(8)
        }
        nodes = [asyncio.create_task(bring(relay.events_port, node, own, refusals)) for node, own in batches.items()]
        await until(lambda: refusals["full"] > 8, "the relay is full")
        assert not (await relay.status()).takes_events
        assert relay.is_running
        await relay.stop()
        async with serving(hub) as port:
            relay.settings = settings(tmp_path, port, spool=small)
            await relay.start()
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.gather(*nodes)
            await until(has(hub, 8 * 200), "all of it at the hub")
    assert set(ids(hub).values()) == {1}


async def test_a_relay_killed_between_commit_and_answer_loses_nothing_and_the_hub_knows_what_comes_twice(
    tmp_path: Path,
) -> None:
    hub, event = ScriptedHttp([accept]), batch("n1", range(1, 2))
    async with (
        relay_process(tmp_path / "relay", settings(tmp_path, 1)) as relay,
        fault_proxy(relay.events_port) as proxy,
    ):
        proxy.stall(Way.DOWN)
        client = sink(proxy.port)
        bringing = asyncio.create_task(client.deliver(event, 1))
        await until_waiting(relay, 1)
        assert not bringing.done()
        await relay.stop(signal.SIGKILL)
        proxy.reset()
        with pytest.raises(DeliveryError) as caught:
            await bringing
        assert caught.value.retriable
        await proxy.heal()
        async with serving(hub) as port:
            relay.settings = settings(tmp_path, port)
            await relay.start()
            assert await client.deliver(event, 1) == 1
            await client.aclose()
            await until(lambda: ids(hub).total() == 2, "both at the hub")
    assert list(ids(hub).values()) == [2]  # by one id, and the hub stores an id once


async def test_a_relay_behind_a_relay_is_refused_and_its_status_says_so(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with (
        relay_process(tmp_path / "b/relay", settings(tmp_path / "b", 1)) as behind,
        relay_process(tmp_path / "a/relay", settings(tmp_path / "a", behind.events_port)) as before,
    ):
        client = sink(before.events_port)
        assert await client.deliver(batch("n1", range(1, 2)), 1) == 1
        await client.aclose()

        async def last_error() -> str | None:
            return (await before.status()).sinks[0].last_error

        error = await until(last_error, "the refusal is told")
        assert "403 relay r1 is a relay, and there is none behind a relay: let it deliver to the hub itself" in error
        assert (await waiting_lines(before), await waiting_lines(behind)) == (1, 0)


@pytest.mark.thorough
async def test_two_hundred_nodes_at_once_are_all_taken_with_bounded_memory(tmp_path: Path) -> None:
    refusals = Counter[str]()
    listen = f"pending_bytes = {MIB}"
    spool = f"memory_bytes = {32 * MIB}\nmetrics_memory_bytes = {4 * MIB}"
    batches = {f"n{number}": batch(f"n{number}", range(1, 201)) for number in range(200)}
    assert sum(map(len, batches.values())) > 20 * MIB
    async with relay_process(tmp_path / "relay", settings(tmp_path, 1, listen, spool)) as relay:
        before = relay.most_resident_bytes
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(bring(relay.events_port, node, [one], refusals) for node, one in batches.items()))
        await until_waiting(relay, 200 * 200)
        grown = relay.most_resident_bytes - before
    assert grown < 72 * MIB, refusals
    assert set(refusals) <= {"busy"}, refusals
