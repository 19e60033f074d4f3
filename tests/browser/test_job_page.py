"""The page of one job in a real browser: what is seen, with and without scripts, and that nothing of a user acts."""

from __future__ import annotations

import re

import msgspec
import pytest
from playwright.async_api import Page, expect

from testkit.job_gallery import GALLERY, running, showcase
from testkit.job_hub import gallery_id, renumbered
from testkit.job_parts import HOSTILE_NAME

from .conftest import ARTIFACTS, Hub, Open

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

MOST_BYTES = 150_000


def job(name: str) -> str:
    return f"/jobs/{gallery_id(name)}"


async def overflow(page: Page) -> int:
    """How many pixels the page is wider than its window."""
    return int(await page.evaluate("document.documentElement.scrollWidth - innerWidth"))


@pytest.mark.parametrize("name", GALLERY)
async def test_no_page_of_the_gallery_has_a_fault_or_asks_another_host(open_page: Open, name: str) -> None:
    watched = await open_page(job(name))
    await watched.save(f"job-{name}")
    assert watched.faults == []
    assert watched.strangers == []
    assert await overflow(watched.page) <= 0


async def test_the_sentence_is_the_first_thing_and_the_state_is_told_by_word_and_shape(open_page: Open) -> None:
    page = (await open_page(job("failed_on_faulty_node"))).page
    sentence = page.locator(".sentence")
    await expect(sentence).to_contain_text("Batch script exited with 42 after 31 s.")
    box = await sentence.bounding_box()
    assert box is not None
    assert box["y"] < 250
    await expect(page.locator(".identity .state")).to_have_text("FAILED 42:0")
    assert await page.locator(".identity .state svg").count() == 1


async def test_times_are_in_the_readers_zone_with_utc_on_hover(open_page: Open) -> None:
    page = (await open_page(job("completed"))).page
    time = page.locator(".events time").first
    await expect(time).to_have_text(re.compile("11:14:02$"))
    await expect(time).to_have_attribute("title", "2026-11-23T10:14:02.000Z")


async def test_without_scripts_the_page_is_a_whole_report(open_page: Open) -> None:
    watched = await open_page(job("failed_on_faulty_node"), javascript=False)
    await watched.save("job-without-scripts")
    page = watched.page
    assert await page.locator("#charts svg.plot").count() == 6
    assert await page.locator("#charts svg.plot path.line").count() >= 12
    await expect(page.locator(".nodes tbody tr").first).to_contain_text("stopped computing 10:14:17")
    await expect(page.locator("#axis")).to_contain_text("10:14:20")


async def test_scripts_take_over_without_moving_anything(open_page: Open) -> None:
    """The height of everything is the same before and after: no jump."""
    tops = []
    for javascript in (False, True):
        page = (await open_page(job("failed_on_faulty_node"), javascript=javascript)).page
        boxes = [
            await page.locator(f'[data-chart="{key}"]').bounding_box() for key in ("cpu", "memory", "io", "pressure_io")
        ]
        tops.append([round(box["y"]) for box in boxes if box])
    assert all(abs(one - other) <= 1 for one, other in zip(*tops, strict=True))


async def test_the_charts_are_drawn_and_a_gap_is_a_gap(open_page: Open) -> None:
    page = (await open_page(job("with_a_gap"))).page
    assert await page.locator('[data-chart="cpu"] canvas').count() == 1
    # both nodes were measured in 31 bins, c1 not in ten of them
    assert await page.locator('[data-chart="cpu"]').get_attribute("data-points") == "31"
    values = await page.evaluate(
        "fetch(location.pathname + '.json').then(a => a.json()).then(v => v.charts.charts[0].series[0].values)"
    )
    assert values[8:18] == [None] * 10


async def test_one_cursor_reads_all_charts(open_page: Open) -> None:
    page = (await open_page(job("failed_on_faulty_node"))).page
    over = page.locator('[data-chart="cpu"] .u-over')
    box = await over.bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 20)
    await expect(page.locator('[data-chart="cpu"] output').last).to_have_text("0")
    await expect(page.locator('[data-chart="memory"] output').first).to_have_text(re.compile(r"\d+ MiB"))
    await expect(page.locator('[data-chart="io"] output').first).to_have_text(re.compile(r"/s / .*/s"))
    await expect(page.locator("#readout")).to_have_text(re.compile(r"^11:14:2\d$"))


async def test_dragging_zooms_all_charts_and_a_double_click_shows_the_whole_again(open_page: Open) -> None:
    page = (await open_page(job("completed"))).page
    whole = await page.locator("#axis").text_content()
    box = await page.locator('[data-chart="memory"] .u-over').bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    await page.mouse.move(box["x"] + box["width"] * 0.4, middle)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] * 0.6, middle, steps=5)
    await page.mouse.up()
    await expect(page.locator("#axis")).not_to_have_text(whole or "")
    assert await page.locator(".band").get_attribute("viewBox") != "0 0 1000 29"
    await page.mouse.dblclick(box["x"] + box["width"] * 0.5, middle)
    await expect(page.locator("#axis")).to_have_text(whole or "")


async def test_the_charts_can_be_read_by_keyboard(open_page: Open) -> None:
    page = (await open_page(job("completed"))).page
    await page.locator("#course").focus()
    await page.keyboard.press("ArrowRight")
    first = await page.locator("#readout").text_content()
    await page.keyboard.press("ArrowRight")
    await expect(page.locator("#readout")).not_to_have_text(first or "")
    assert re.fullmatch(r"11:14:0\d", first or "")


async def test_the_line_for_next_time_can_be_copied(open_page: Open) -> None:
    page = (await open_page(job("completed"))).page
    await page.locator(".advice button").click()
    assert await page.evaluate("navigator.clipboard.readText()") == "--mem=384M"


async def test_a_hostile_name_is_shown_and_does_nothing(open_page: Open) -> None:
    for path in (job("hostile_name"), "/jobs"):
        watched = await open_page(path)
        assert "<script>alert(1)</script>" in await watched.page.inner_text("main")
        assert await watched.page.locator("main script").count() == 0
        assert watched.faults == []


async def test_a_hostile_name_does_nothing_when_it_comes_by_the_stream(open_page: Open, hub: Hub) -> None:
    live_id = gallery_id("running")
    watched = await open_page(f"/jobs/{live_id}")
    facts = renumbered(running(48), live_id)
    assert facts.record is not None
    named = msgspec.structs.replace(facts.record, name=HOSTILE_NAME)
    hub.history.facts[live_id] = msgspec.structs.replace(facts, record=named)
    await expect(watched.page.locator("h1")).to_contain_text("<script>alert(1)</script>", timeout=15_000)
    assert watched.faults == []


PAGES = {"job": job("failed_on_faulty_node"), "jobs": "/jobs", "large": job("large")}


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280, 2560])
async def test_pages_fit_every_width_in_both_schemes(open_page: Open, name: str, scheme: str, width: int) -> None:
    watched = await open_page(PAGES[name], width=width, color_scheme=scheme)
    await watched.save(f"{name}-{scheme}-{width}")
    assert await overflow(watched.page) <= 0
    assert watched.faults == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", [job("failed_on_faulty_node"), "/jobs", "/jobs/99"])
async def test_every_text_has_the_contrast_that_wcag_asks_for(open_page: Open, path: str, scheme: str) -> None:
    page = (await open_page(path, color_scheme=scheme)).page
    assert await page.evaluate(CONTRAST) == []


async def test_a_page_is_small(open_page: Open) -> None:
    """All that one page needs, as sent, for the largest job of the gallery."""
    watched = await open_page(job("large"))
    sizes = await watched.page.evaluate(
        "performance.getEntries().filter(e => 'encodedBodySize' in e).map(e => e.encodedBodySize)"
    )
    assert sum(sizes) > 20_000
    assert sum(sizes) < MOST_BYTES


async def test_the_picture_of_the_readme_is_the_page_of_today(open_page: Open, hub: Hub) -> None:
    """Saved for docs/images/job-page.png, which is a copy."""
    hub.history.facts[48213] = showcase()
    watched = await open_page("/jobs/48213", width=1180)
    page = watched.page
    bottom = await page.locator("[data-part=steps]").bounding_box()
    assert bottom is not None
    await page.set_viewport_size({"width": 1180, "height": round(bottom["y"])})
    await page.screenshot(path=ARTIFACTS / "readme-job-page.png")
    assert watched.faults == []


async def test_unknown_jobs_have_a_page_that_helps(open_page: Open) -> None:
    watched = await open_page("/jobs/99")
    await watched.save("no-such-job")
    await expect(watched.page.locator("h1")).to_have_text("The hub knows no job 99")
    await expect(watched.page.locator(".sentence")).to_contain_text("reload")


CONTRAST = """() => {
  const channel = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((v) => channel(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const parse = (text) => {
    const numbers = text.match(/[\\d.]+/g).map(Number);
    return { rgb: numbers.slice(0, 3), alpha: numbers[3] ?? 1 };
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.alpha > 0.99) return colour.rgb;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !element.getClientRects().length || element.closest(".hidden, .skip, svg, option")) continue;
    const [a, b] = [luminance(parse(getComputedStyle(element).color).rgb), luminance(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push(`${element.tagName} ${element.textContent.trim().slice(0, 20)} ${ratio.toFixed(2)}`);
  }
  return low;
}"""
