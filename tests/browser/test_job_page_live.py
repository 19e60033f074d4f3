"""A running job's page moves by itself and stands still after the end: real server-sent events, real Chromium."""

from __future__ import annotations

import msgspec
import pytest
from playwright.async_api import Page, expect

from slurmlens.hub.history.facts import JobFacts
from testkit.job_gallery import completed, failed_on_faulty_node, pending, running
from testkit.job_hub import gallery_id, renumbered

from .conftest import Hub, Open, Watched

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

JOB = gallery_id("running")
PATIENCE_MS = 15_000


def tell(hub: Hub, facts: JobFacts) -> None:
    hub.history.facts[JOB] = renumbered(facts, JOB)
    hub.live.change(JOB)


async def points(page: Page, key: str = "cpu") -> int:
    return int(await page.locator(f'[data-chart="{key}"]').get_attribute("data-points") or 0)


async def until_points(watched: Watched, count: int) -> None:
    await expect(watched.page.locator('[data-chart="cpu"]')).to_have_attribute(
        "data-points", str(count), timeout=PATIENCE_MS
    )


async def test_new_points_and_figures_come_without_reload_and_nothing_jumps(open_page: Open, hub: Hub) -> None:
    watched = await open_page(f"/jobs/{JOB}")
    page = watched.page
    await expect(page.locator("#live")).to_have_text("live")
    assert await points(page) == 47
    before = await page.locator('[data-chart="io"]').bounding_box()
    tell(hub, running(55))
    await until_points(watched, 55)
    await expect(page.locator(".sentence")).to_contain_text("Running for 55 s of 10 min")
    after = await page.locator('[data-chart="io"]').bounding_box()
    assert before is not None
    assert after is not None
    assert abs(before["y"] - after["y"]) <= 1
    assert watched.loads == 1
    assert watched.faults == []
    await watched.save("job-live")


async def test_after_the_end_the_picture_is_frozen_and_says_so(open_page: Open, hub: Hub) -> None:
    watched = await open_page(f"/jobs/{JOB}")
    tell(hub, failed_on_faulty_node())
    page = watched.page
    await expect(page.locator("#live")).to_have_text("ended", timeout=PATIENCE_MS)
    await expect(page.locator("#job")).to_have_attribute("data-live", "ended")
    await expect(page.locator(".identity .state")).to_have_text("FAILED 42:0")
    await expect(page.locator(".nodes tbody tr").first).to_contain_text("stopped computing")
    assert await page.title() == f"FAILED 42:0 · {JOB} gemm · slurmlens"
    await until_points(watched, 31)
    tell(hub, running(60))
    await page.wait_for_function("performance.now() > 0")
    assert await points(page) == 31
    assert watched.loads == 1
    assert hub.live.watcher_count == 0


async def test_a_waiting_job_becomes_a_running_one_before_the_readers_eyes(open_page: Open, hub: Hub) -> None:
    hub.history.facts[JOB] = renumbered(pending(), JOB)
    watched = await open_page(f"/jobs/{JOB}")
    page = watched.page
    await expect(page.locator(".sentence")).to_contain_text("Waits for")
    assert await page.locator("#charts").count() == 0
    tell(hub, running(12))
    await expect(page.locator(".sentence")).to_contain_text("Running for 12 s", timeout=PATIENCE_MS)
    await until_points(watched, 12)
    assert await page.locator('[data-chart="cpu"] canvas').count() == 1
    assert watched.loads == 1
    assert watched.faults == []


async def test_the_first_samples_fill_an_empty_chart_without_reload(open_page: Open, hub: Hub) -> None:
    early = running(3)
    nodes = tuple(msgspec.structs.replace(node, profile=None, samples=0) for node in early.nodes)
    hub.history.facts[JOB] = renumbered(msgspec.structs.replace(early, nodes=nodes), JOB)
    watched = await open_page(f"/jobs/{JOB}")
    await expect(watched.page.locator('[data-chart="cpu"]')).to_contain_text("waiting for the first samples")
    tell(hub, running(5))
    await until_points(watched, 5)
    assert watched.loads == 1
    assert watched.faults == []


async def test_a_zoom_stays_while_points_come(open_page: Open, hub: Hub) -> None:
    watched = await open_page(f"/jobs/{JOB}")
    page = watched.page
    box = await page.locator('[data-chart="cpu"] .u-over').bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 30)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 30, steps=4)
    await page.mouse.up()
    zoomed = await page.locator("#axis").text_content()
    tell(hub, running(55))
    await until_points(watched, 55)
    assert await page.locator("#axis").text_content() == zoomed


async def test_a_hub_that_goes_away_makes_the_page_stale_with_the_time(open_page: Open, hub: Hub) -> None:
    watched = await open_page(f"/jobs/{JOB}")
    page = watched.page
    await expect(page.locator("#live")).to_have_text("live")
    await page.context.set_offline(True)
    hub.live.close()
    await expect(page.locator("#live")).to_contain_text("stale since", timeout=PATIENCE_MS)
    await watched.save("job-stale")


async def test_without_scripts_a_running_page_says_how_old_it_is(open_page: Open) -> None:
    page = (await open_page(f"/jobs/{JOB}", javascript=False)).page
    assert "reloads every 30 s" in await page.locator("#live").inner_text()


async def test_an_ended_job_asks_for_no_stream(open_page: Open, hub: Hub) -> None:
    hub.history.facts[JOB] = renumbered(completed(), JOB)
    watched = await open_page(f"/jobs/{JOB}")
    assert hub.live.watcher_count == 0
    assert await watched.page.locator("#live").inner_text() == ""
