"""Watching a real Consul agent: what changes is heard at once, whatever happens to the agent or on the way to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from deploy.components.consul import Consul

from slurmlens.clock import SystemClock
from slurmlens.config.consul import ConsulConfig
from slurmlens.discovery.client import ConsulClient, Reply
from slurmlens.discovery.found_endpoint import FoundEndpoint
from slurmlens.discovery.watch import ConsulWatch
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.components import private
from testkit.consul_agent import ROOT_TOKEN, Agent, Api, token_file
from testkit.fault_proxy import Harm, Trap, Way, fault_proxy
from testkit.manual_clock import ManualClock
from testkit.scripted_server import Act, ScriptedHttp, answer, raw, serving
from testkit.waiting import until

LONG_S = 600.0
"""A wait in which no test could hear of a change by the mere end of the wait."""


def config(port: int, **others: Any) -> ConsulConfig:
    settings: dict[str, Any] = {"wait_s": LONG_S, "backoff_min_s": 0.05, "backoff_max_s": 0.2, "timeout_s": 5.0}
    return ConsulConfig(**(settings | {"url": f"http://127.0.0.1:{port}"} | others))


class Heard:
    """A watch of one service and what it led to."""

    def __init__(self, name: str, settings: ConsulConfig) -> None:
        self.where = FoundEndpoint(("127.0.0.1", 9), "demo/n0")
        self.answers = 0
        self.counters = Counters()
        reporter = Reporter(self.counters, SystemClock())

        async def ask(client: ConsulClient, index: int, wait_s: float) -> Reply[Any]:
            return await client.instances(name, None, index=index, wait_s=wait_s)

        self.watch: ConsulWatch[Any] = ConsulWatch(name, settings, ask, self._heard, reporter, SystemClock())

    def _heard(self, instances: Any) -> None:
        self.answers += 1
        self.where.told(instances)

    async def at(self, port: int) -> None:
        """Wait until the service is there."""
        await until(lambda: self.where.addresses() == (("127.0.0.1", port),), f"the service is at {port}")

    async def failed(self, reason: str) -> None:
        """Wait until the watch has counted such a failure."""
        labels = (self.watch.name, reason)
        counter = self.counters.counter("consul_watch_failed_total", "", ("watch", "reason"))
        await until(lambda: counter.value(*labels) > 0, f"a failure ({reason})")


@asynccontextmanager
async def watching(name: str, settings: ConsulConfig) -> AsyncIterator[Heard]:
    heard = Heard(name, settings)
    task = asyncio.create_task(heard.watch.run())
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_service_that_comes_moves_and_goes_is_heard_of_within_a_long_wait(consul: Consul) -> None:
    api = Api(consul)
    async with watching("moving", config(consul.port)) as heard:
        await until(lambda: heard.answers > 0, "the first answer")
        assert heard.where.addresses() == (("127.0.0.1", 9),)
        await api.announce("moving", 2001)
        await heard.at(2001)
        await api.announce("moving", 2002)
        await heard.at(2002)
        answers = heard.answers
        await api.withdraw("moving")
        await until(lambda: heard.answers > answers, "that it went")
        assert heard.where.addresses() == (("127.0.0.1", 2002),), "nothing better is known"


async def test_an_instance_that_turns_critical_is_left_for_one_that_is_well(consul: Consul) -> None:
    api = Api(consul)
    check = {"CheckID": "service:ill-1", "TTL": "600s", "Status": "passing"}
    await api.put(
        "agent/service/register", {"ID": "ill-1", "Name": "ill", "Address": "127.0.0.1", "Port": 1, "Check": check}
    )
    async with watching("ill", config(consul.port)) as heard:
        await heard.at(1)
        await api.announce("ill", 2, number=2)
        await until(lambda: len(heard.where.addresses()) == 2, "both")
        await api.put("agent/check/warn/service:ill-1")
        await until(lambda: heard.where.addresses() == (("127.0.0.1", 2), ("127.0.0.1", 1)), "the well one first")
        await api.put("agent/check/fail/service:ill-1")
        await heard.at(2)


async def test_an_agent_that_is_killed_and_comes_back_is_followed_and_what_was_known_stays() -> None:
    with private(Agent) as agent:
        api = Api(agent)
        await api.announce("service", 2001)
        async with watching("service", config(agent.port)) as heard:
            await heard.at(2001)
            agent.kill()
            await heard.failed("connect")
            assert heard.where.addresses() == (("127.0.0.1", 2001),)
            await agent.restart()
            await api.announce("service", 2002)
            await heard.at(2002)
            assert heard.watch.state.failures_in_a_row == 0


async def test_an_agent_that_lost_its_data_counts_from_the_beginning_and_no_change_is_missed() -> None:
    with private(Agent) as agent:
        api = Api(agent)
        for number in range(20):
            await api.put(f"kv/filler/{number}", "x")
        await api.announce("service", 2001)
        async with watching("service", config(agent.port)) as heard:
            await heard.at(2001)
            agent.kill()
            agent.lose_data()
            await agent.restart()
            await until(lambda: heard.watch.state.failures_in_a_row == 0, "it answers again")
            await api.announce("service", 2002)
            await heard.at(2002)


async def test_a_paused_agent_costs_a_time_limit_and_no_change_is_missed() -> None:
    with private(Agent) as agent:
        api = Api(agent)
        await api.announce("service", 2001)
        async with watching("service", config(agent.port, wait_s=1.0, timeout_s=0.5)) as heard:
            await heard.at(2001)
            agent.pause()
            await heard.failed("timeout")
            agent.resume()
            await api.announce("service", 2002)
            await heard.at(2002)


@pytest.mark.parametrize("harm", [Harm.CUT, Harm.RESET, Harm.HALF_CLOSE])
@pytest.mark.parametrize("after_bytes", [0, 5, 100, 400])
async def test_an_answer_cut_in_the_middle_is_asked_for_again(consul: Consul, harm: Harm, after_bytes: int) -> None:
    name = f"cut-{harm.value}-{after_bytes}"
    api = Api(consul)
    await api.announce(name, 2001)
    async with fault_proxy(consul.port) as proxy, watching(name, config(proxy.port)) as heard:
        await heard.at(2001)
        trap = proxy.arm(Trap(harm, Way.DOWN, after_bytes))
        await api.announce(name, 2002)
        await heard.at(2002)
        assert trap.is_sprung
    await api.withdraw(name)


async def test_a_query_that_is_cut_while_it_waits_begins_anew(consul: Consul) -> None:
    api = Api(consul)
    await api.announce("waiting", 2001)
    async with fault_proxy(consul.port) as proxy, watching("waiting", config(proxy.port)) as heard:
        await heard.at(2001)
        await proxy.until(lambda: proxy.living == 1)
        proxy.refuse()
        proxy.reset()
        await heard.failed("connect")
        await api.announce("waiting", 2002)
        assert heard.where.addresses() == (("127.0.0.1", 2001),)
        await proxy.heal()
        await heard.at(2002)


async def test_garbage_on_the_way_is_told_apart_from_an_answer(consul: Consul) -> None:
    await Api(consul).announce("garbled", 2001)
    async with fault_proxy(consul.port) as proxy:
        proxy.script([Trap(Harm.CORRUPT, Way.DOWN, 2), Trap(Harm.CORRUPT, Way.DOWN, 2)])
        async with watching("garbled", config(proxy.port)) as heard:
            await heard.failed("garbage")
            await heard.at(2001)


async def test_a_wrong_token_is_told_and_the_right_one_needs_no_restart(tmp_path: Path) -> None:
    with private(lambda sandbox: Agent(sandbox, acl=True)) as agent:
        await Api(agent, ROOT_TOKEN).announce("secret", 2001)
        path = token_file(tmp_path, "99999999-2222-3333-4444-555555555555")
        async with watching("secret", config(agent.port, token_file=path)) as heard:
            await heard.failed("denied")
            assert "ACL not found" in (heard.watch.state.last_error or "")
            assert heard.where.addresses() == (("127.0.0.1", 9),)
            token_file(tmp_path, ROOT_TOKEN)
            await heard.at(2001)
            path.unlink()
            await Api(agent, ROOT_TOKEN).announce("secret", 2002)
            await heard.failed("token")
            # Where a query was in flight it still told of the second.
            assert heard.where.addresses() in ((("127.0.0.1", 2001),), (("127.0.0.1", 2002),)), "what is known stays"


def told(index: str | None, *ports: int) -> Act:
    """An answer as an agent gives it."""
    entries = ",".join(
        f'{{"Node":{{"Address":"127.0.0.1"}},"Service":{{"Port":{port}}},"Checks":[]}}' for port in ports
    )
    return answer(200, f"[{entries}]".encode(), *([] if index is None else [f"X-Consul-Index: {index}"]))


async def test_an_index_that_goes_back_or_is_zero_makes_the_next_query_ask_anew() -> None:
    """A restored snapshot does this to a connection that stays up; no agent does it on command."""
    script = [told("50", 1), told("10", 2), told("11", 3), told("0", 4), told("12", 5), told(None), told("13", 6)]
    server = ScriptedHttp([*script, raw(b"", then_close=True)])
    async with serving(server) as port, watching("x", config(port)) as heard:
        await heard.at(6)
        await until(lambda: len(server.requests) > 7, "one more query")
    asked = [request.line.partition("index=")[2].partition("&")[0].partition(" ")[0] for request in server.requests]
    assert asked[:8] == ["", "50", "", "11", "1", "12", "", "13"]
    assert all("stale=" in request.line for request in server.requests)


async def test_a_flood_of_answers_becomes_a_query_every_so_often(clock: ManualClock) -> None:
    """The real loop, on a clock that moves only when the watch rests."""
    rests: list[float] = []
    enough = asyncio.Event()

    async def rest(seconds: float) -> None:
        rests.append(seconds)
        clock.advance(seconds)
        if len(rests) == 30:
            enough.set()
            await asyncio.Event().wait()

    async def ask(client: ConsulClient, index: int, wait_s: float) -> Reply[int]:
        return Reply(0, index + 1)

    settings = config(1)
    watch = ConsulWatch("flood", settings, ask, lambda _: None, Reporter(Counters(), clock), clock, sleep=rest)
    task = asyncio.create_task(watch.run())
    await enough.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert rests[:8] == [0] * 8
    assert set(rests[8:]) == {2.0}
