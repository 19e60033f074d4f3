"""A program in Consul's eyes: a service with a check, told again when it was forgotten, gone when it was stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from deploy.components.consul import Consul

from slurmlens.clock import SystemClock
from slurmlens.config.consul import ConsulConfig
from slurmlens.discovery.health import CRITICAL, PASSING, WARNING, Health
from slurmlens.discovery.registration import Registration, Service
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.components import private
from testkit.consul_agent import ROOT_TOKEN, Agent, Api, token_file
from testkit.waiting import until

PATIENCE_S = 10.0


class Program:
    """A registered program whose health a test decides."""

    def __init__(self, port: int, name: str, **settings: Any) -> None:
        self.health = Health(PASSING, "all stages run")
        self.counters = Counters()
        base: dict[str, Any] = {"ttl_s": 1.0, "backoff_min_s": 0.05, "backoff_max_s": 0.2, "timeout_s": 5.0}
        config = ConsulConfig(**(base | settings), url=f"http://127.0.0.1:{port}", service=name)
        service = Service(id=f"{name}-n0", name=name, function="samples n0", tags=("demo",), meta={"node": "n0"})
        reporter = Reporter(self.counters, SystemClock())
        self.registration = Registration(config, lambda: service, lambda: self.health, reporter)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self.registration.run())

    async def stop(self) -> None:
        """As a supervisor does on SIGTERM."""
        assert self._task is not None
        self._task.cancel()
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(self._task, return_exceptions=True)


@asynccontextmanager
async def program(port: int, name: str, **settings: Any) -> AsyncIterator[Program]:
    made = Program(port, name, **settings)
    made.start()
    try:
        yield made
    finally:
        await made.stop()


async def status(api: Api, name: str) -> str | None:
    """The check's state as everybody sees it; None where there is no such service."""
    checks = await api.checks(name)
    return checks[0]["Status"] if checks else None


async def test_a_program_is_a_service_whose_check_says_what_it_is_for_and_how_it_fares(consul: Consul) -> None:
    api = Api(consul)
    async with program(consul.port, "tells") as made:
        await until(lambda: api.checks("tells"), "the registration")
        (entry,) = await api.get("health/service/tells")
        assert (entry["Service"]["ID"], entry["Service"]["Tags"]) == ("tells-n0", ["demo"])
        assert entry["Service"]["Meta"] == {"node": "n0"}
        (check,) = await api.checks("tells")
        assert (check["Status"], check["Notes"], check["ServiceID"]) == ("passing", "samples n0", "tells-n0")
        for word, text in ((WARNING, "carbon takes nothing"), (CRITICAL, "stage dropbox is down"), (PASSING, "well")):
            made.health = Health(word, text)
            await until(lambda word=word: _is(api, "tells", word), f"that it is {word}")
            known = (await api.get("agent/checks"))["service:tells-n0"]
            assert (known["Status"], known["Output"]) == (word, text)
    assert await status(api, "tells") is None, "taken away at the end"


async def _is(api: Api, name: str, word: str | None) -> bool:
    return await status(api, name) == word


async def test_a_beat_goes_on_past_the_ttl_and_a_program_that_died_turns_critical(consul: Consul) -> None:
    api = Api(consul)
    async with program(consul.port, "dies") as made:
        await until(lambda: _is(api, "dies", PASSING), "the registration")
        sent = made.counters.counter("consul_registered_total", "")
        # What a SIGKILL leaves: a service nobody took away.
        assert made._task is not None
        made.registration.state.is_registered = False
        made._task.cancel()
        await until(lambda: _is(api, "dies", CRITICAL), "the end of the TTL")
        assert sent.value() == 1
        made.start()
        await until(lambda: _is(api, "dies", PASSING), "the next program")
    assert await status(api, "dies") is None


async def test_a_service_that_somebody_took_away_is_back_after_a_beat(consul: Consul) -> None:
    api = Api(consul)
    async with program(consul.port, "taken") as made:
        await until(lambda: _is(api, "taken", PASSING), "the registration")
        await api.put("agent/service/deregister/taken-n0")
        await until(lambda: made.counters.counter("consul_forgot_service_total", "").value() == 1, "that it noticed")
        await until(lambda: _is(api, "taken", PASSING), "the registration anew")


async def test_an_agent_that_was_killed_and_lost_its_data_is_told_again() -> None:
    with private(Agent) as agent:
        api = Api(agent)
        async with program(agent.port, "known") as made:
            await until(lambda: _is(api, "known", PASSING), "the registration")
            agent.kill()
            await until(lambda: made.registration.state.failures_in_a_row > 0, "that the agent is away")
            agent.lose_data()
            await agent.restart()
            await until(lambda: _is(api, "known", PASSING), "the registration anew")


async def test_an_agent_that_does_not_answer_does_not_hold_up_the_end_of_the_program() -> None:
    with private(Agent) as agent:
        made = Program(agent.port, "stuck")
        made.start()
        await until(lambda: made.registration.state.is_registered, "the registration")
        agent.pause()
        await made.stop()
        agent.resume()
        failures = made.counters.counter("consul_deregistration_failed_total", "", ("reason",))
        assert failures.value("timeout") == 1


async def test_a_token_that_may_not_register_is_told_and_a_better_one_needs_no_restart(tmp_path: Path) -> None:
    with private(lambda sandbox: Agent(sandbox, acl=True)) as agent:
        path = token_file(tmp_path, "99999999-2222-3333-4444-555555555555")
        api = Api(agent, ROOT_TOKEN)
        async with program(agent.port, "barred", token_file=path) as made:
            failures = made.counters.counter("consul_registration_failed_total", "", ("reason",))
            await until(lambda: failures.value("denied") > 0, "the refusal")
            assert made.registration.state.last_error is not None
            path.chmod(0o644)
            await until(lambda: failures.value("token") > 0, "that everybody may read the token")
            token_file(tmp_path, ROOT_TOKEN)
            await until(lambda: _is(api, "barred", PASSING), "the registration")
            assert made.registration.state.last_error is None
