"""A page opened on a running job moves by itself, and stands still after the end: real job, real hub, real Chromium."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, async_playwright, expect
from testkit.chromium import LAUNCH

from testkit.spine import Spine

pytestmark = [pytest.mark.slurm, pytest.mark.browser]

DRAWN_POINTS = "document.querySelector('[data-chart=\"cpu\"]')?.dataset.points ?? '0'"


async def drawn_points(page: Page) -> int:
    return int(await page.evaluate(DRAWN_POINTS))


async def test_an_open_page_shows_the_next_point_without_reload_and_freezes_at_the_end(road: Spine) -> None:
    node = road.stack.slurm.node_names[1]
    job = road.submit('"$WORKLOADS/burn" 12; sleep 4', f"--nodelist={node}", "--mem=200")
    road.wait("a first profile at the hub", lambda: "points" if road.view(job).get("charts") else None, 60)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**LAUNCH)
        page = await browser.new_page()
        loads = 0

        def count(_: object) -> None:
            nonlocal loads
            loads += 1

        page.on("load", count)
        await page.goto(f"{road.stack.hub.url}/jobs/{job}")
        await page.wait_for_function(f"{DRAWN_POINTS} > 0", timeout=20_000)
        before = await drawn_points(page)
        await page.wait_for_function(f"Number({DRAWN_POINTS}) > {before}", timeout=20_000)
        await expect(page.locator("[data-live]")).to_have_attribute("data-live", re.compile("ended"), timeout=60_000)
        frozen = await drawn_points(page)
        assert loads == 1, "no reload"
        assert frozen >= before
        await browser.close()
