"""What one hub alone shall do runs where it leads, and nowhere else."""

from __future__ import annotations

import asyncio

import pytest

from slurmlens.hub.workers.leadership import Leadership
from testkit.waiting import until


async def test_a_led_stage_runs_while_its_hub_leads_and_begins_anew_when_it_leads_again() -> None:
    leadership, log = Leadership(), []

    async def stage() -> None:
        log.append("begins")
        try:
            await asyncio.Event().wait()
        finally:
            log.append("ends")

    running = asyncio.ensure_future(leadership.led(stage)())
    try:
        await asyncio.sleep(0)
        assert log == []
        leadership.gain()
        await until(lambda: log == ["begins"], "it begins")
        leadership.lose()
        await until(lambda: log == ["begins", "ends"], "it ends")
        leadership.gain()
        await until(lambda: log == ["begins", "ends", "begins"], "it begins anew")
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert log[-1] == "ends"


async def test_a_led_stage_that_fails_fails_as_one_that_is_not() -> None:
    leadership = Leadership()
    leadership.gain()

    async def stage() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await leadership.led(stage)()


async def test_a_led_stage_that_ends_by_itself_has_ended() -> None:
    leadership = Leadership()
    leadership.gain()

    async def stage() -> None:
        return

    await leadership.led(stage)()
