"""The list of jobs in a real browser: what needs somebody stands out, every name is a link, keys are enough."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from testkit.job_gallery import GALLERY
from testkit.job_hub import gallery_id

from .conftest import Hub, Open

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_running_and_waiting_jobs_come_before_finished_ones(open_page: Open) -> None:
    page = (await open_page("/jobs")).page
    words = [word.strip() for word in await page.locator(".jobs tbody tr .state").all_inner_texts()]
    unfinished = [word for word in words if word in ("running", "pending")]
    assert set(unfinished) == {"running", "pending"}
    assert words[: len(unfinished)] == unfinished
    await expect(page.locator(".jobs .reason")).to_contain_text("(Resources)")


async def test_failures_stand_out_by_word_shape_weight_and_colour(open_page: Open) -> None:
    page = (await open_page("/jobs")).page
    look = "e => [getComputedStyle(e).color, getComputedStyle(e).fontWeight, e.querySelector('svg').innerHTML]"
    failed = await page.locator(".state", has_text="FAILED 42:0").evaluate(look)
    done = await page.locator(".state", has_text="completed").first.evaluate(look)
    assert all(one != other for one, other in zip(failed, done, strict=True))


async def test_filters_stand_in_the_address_and_can_be_cleared(open_page: Open, hub: Hub) -> None:
    page = (await open_page("/jobs")).page
    await page.locator(".choices a", has_text="failed").click()
    await expect(page).to_have_url(re.compile(r"/jobs\?state=failed$"))
    await page.locator("input[name=user]").fill("alice")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(r"state=failed&user=alice"))
    assert hub.history.asked[-1].user == "alice"
    await page.locator(".filters a", has_text="clear").click()
    await expect(page).to_have_url(re.compile(r"/jobs$"))


async def test_every_name_leads_somewhere(open_page: Open) -> None:
    watched = await open_page("/jobs")
    page = watched.page
    targets = await page.locator("main a").evaluate_all("all => [...new Set(all.map(a => a.href))]")
    assert len(targets) > 20
    for target in targets:
        answer = await page.request.get(target)
        assert answer.status == 200, target


async def test_the_keyboard_is_enough(open_page: Open) -> None:
    page = (await open_page("/jobs")).page
    await page.keyboard.press("Tab")
    await expect(page.locator(":focus")).to_have_text("Skip to the content")
    await page.locator(".find input").focus()
    await page.keyboard.type(str(gallery_id("completed")))
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(rf"/jobs/{gallery_id('completed')}$"))


async def test_without_scripts_nothing_is_missing(open_page: Open) -> None:
    watched = await open_page("/jobs", javascript=False)
    assert await watched.page.locator(".jobs tbody tr").count() == len(GALLERY)
