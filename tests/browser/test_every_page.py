"""Every page in a real browser, as three roles: axe finds nothing, nothing scrolls sideways on a phone, and pictures.

axe-core is Deque's; what it can judge of WCAG 2.1 A and AA is judged, in light and in dark. `make screenshots` saves
the pictures that stand in docs/images.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page

from testkit.checkout import ROOT
from testkit.job_gallery import GALLERY
from testkit.job_hub import gallery_id
from testkit.role_table import PEOPLE, ROWS
from testkit.ruled_hub import RuledHub, ruled_hub
from testkit.showcase import tell_showcase

from .conftest import ARTIFACTS, Hub

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

AXE = ROOT / "web/node_modules/axe-core/axe.min.js"
IMAGES = Path(os.environ.get("SLURMLENS_IMAGES") or ARTIFACTS)
PHONE, DESK = 375, 1280
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
RUN_AXE = """rules => axe.run(document, {runOnly: rules}).then(found => found.violations.map(
    one => `${one.id}: ${one.nodes.map(node => node.html.slice(0, 160)).slice(0, 3).join(" | ")}`))"""
IN_DARK = ["color-contrast", "link-in-text-block"]
TOO_WIDE = """() => [...document.querySelectorAll("body *")].filter(
    one => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".scroll")).map(
    one => `${one.tagName} ${one.className} ${(one.textContent || "").trim().slice(0, 40)}`).slice(0, 5)"""

PICTURES = {
    "cluster": ("olga", "/cluster?figure=cpu"),
    "jobs": ("olga", "/jobs"),
    "home": ("alice", "/me"),
    "node": ("olga", "/nodes/n26"),
    "nodes": ("olga", "/nodes"),
    "logs": ("olga", "/logs?since=2026-01-01"),
    "findings": ("olga", "/findings"),
    "management": ("max", "/management?by=account"),
    "capacity": ("max", "/capacity"),
    "report": ("max", "/reports"),
    "neighbourhood": ("olga", "/inventory/node/n1"),
}


def pages_of(person: str) -> list[str]:
    """Every address of the table that this person is answered with a page, as the table's examples have it."""
    column = PEOPLE.index(person)
    data = re.compile(r"\.json|\.csv|\{form\}|^/api|/live$|/file\.html$|\.toml$|^/static|feedback|/login/|logout|^/$")
    return [
        row.example
        for path, row in ROWS.items()
        if row.method == "GET" and row.statuses[column] == 200 and not data.search(path)
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shown(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RuledHub]:
    async with ruled_hub(tmp_path_factory.mktemp("showcase")) as hub:
        await tell_showcase(hub.history)
        yield hub


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    if not AXE.exists():
        pytest.skip("axe-core is not in place: make -C web")
    made = await browser.new_context(bypass_csp=True, viewport={"width": DESK, "height": 900})
    yield made
    await made.close()


async def log_in(context: BrowserContext, hub: RuledHub, person: str) -> Page:
    page = await context.new_page()
    await page.goto(f"{hub.url}/login/{await hub.ruled.tokens.make_link(person)}")
    return page


async def faults_of(page: Page, address: str) -> list[str]:
    """What is wrong with a page, in light on a desk and in dark on a phone."""
    await page.set_viewport_size({"width": DESK, "height": 900})
    await page.emulate_media(color_scheme="light")
    answer = await page.goto(address)
    assert answer is not None
    assert answer.status == 200, address
    await page.evaluate(AXE.read_text())
    found = await page.evaluate(RUN_AXE, RULES)
    await page.set_viewport_size({"width": PHONE, "height": 800})
    await page.emulate_media(color_scheme="dark")
    found += await page.evaluate(RUN_AXE, IN_DARK)
    if await page.evaluate("document.documentElement.scrollWidth") > PHONE:
        found += [f"too wide: {one}" for one in await page.evaluate(TOO_WIDE)] or ["too wide"]
    return [f"{address}: {one}" for one in found]


@pytest.mark.parametrize("person", ["olga", "alice", "max"])
async def test_axe_finds_nothing_on_any_page_and_nothing_is_too_wide_for_a_phone(
    context: BrowserContext, shown: RuledHub, person: str
) -> None:
    page = await log_in(context, shown, person)
    every = pages_of(person)
    seen_by_olga = set(pages_of("olga"))
    faults = []
    for address in every if person == "olga" else [one for one in every if one == "/me" or one not in seen_by_olga]:
        faults += await faults_of(page, shown.url + address)
    assert faults == []


async def test_neither_on_a_page_of_any_kind_of_job_nor_of_an_error(context: BrowserContext, hub: Hub) -> None:
    page = await context.new_page()
    faults = []
    for kind in ("completed", "failed_on_faulty_node", "large", "cancelled_while_pending"):
        assert kind in GALLERY
        faults += await faults_of(page, f"{hub.url}/jobs/{gallery_id(kind)}")
    assert faults == []


@pytest.mark.parametrize("person", ["alice", "max", "olga", "ada"])
async def test_the_navigation_leads_nowhere_that_is_refused(
    context: BrowserContext, shown: RuledHub, person: str
) -> None:
    page = await log_in(context, shown, person)
    await page.goto(shown.url + "/jobs")
    links = await page.locator(".top nav a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
    assert "/jobs" in links
    assert ("/management" in links) == (person in ("max", "olga"))
    assert await page.locator(".top nav [aria-current=page]").inner_text() == "Jobs"
    for link in links:
        assert (await page.request.get(shown.url + link)).status == 200, link


async def test_pictures_of_pages_are_made(context: BrowserContext, shown: RuledHub) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    for name, (person, address) in PICTURES.items():
        page = await log_in(context, shown, person)
        await page.set_viewport_size({"width": 1180, "height": 900})
        answer = await page.goto(shown.url + address)
        assert answer is not None
        assert answer.status == 200, address
        height = min(1400, await page.evaluate("document.documentElement.scrollHeight"))
        await page.set_viewport_size({"width": 1180, "height": height})
        await page.screenshot(path=IMAGES / f"{name}.png")
        await page.close()
