"""A page opened on a running job moves by itself, and stands still after the end: real job, real hub, real Chromium."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import async_playwright, expect

from testkit.chromium import LAUNCH
from testkit.spine import Spine

pytestmark = [pytest.mark.slurm, pytest.mark.browser]


async def test_an_open_page_shows_the_next_point_without_reload_and_freezes_at_the_end(road: Spine) -> None:
    node = road.stack.slurm.node_names[1]
    job = road.submit('"$WORKLOADS/burn" 12; sleep 4', f"--nodelist={node}", "--mem=200")
    road.wait("a first profile at the hub", lambda: road.view(job).get("charts"), 60)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**LAUNCH)
        page = await browser.new_page()
        loads = 0

        def count(_: object) -> None:
            nonlocal loads
            loads += 1

        page.on("load", count)
        await page.goto(f"{road.stack.hub.url}/jobs/{job}")
        figure, article = page.locator('[data-chart="cpu"]'), page.locator("#job")
        await expect(figure).to_have_attribute("data-points", re.compile("[1-9]"), timeout=20_000)
        before = await figure.get_attribute("data-points") or ""
        await expect(figure).not_to_have_attribute("data-points", before, timeout=20_000)
        await expect(article).to_have_attribute("data-live", "ended", timeout=60_000)
        frozen = await figure.get_attribute("data-points") or ""
        assert loads == 1, "no reload"
        assert int(frozen) > int(before)
        await browser.close()
