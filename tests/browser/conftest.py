"""The web application on a real port, and the machine's own Chromium before it: new contexts for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, BrowserContext, Page, Request, async_playwright

from testkit.checkout import ROOT
from testkit.chromium import LAUNCH, PROGRAM
from testkit.job_hub import FixedHistory, Live, make_gallery_app

ARTIFACTS = ROOT / "tests" / "artifacts"
VENDOR = ROOT / "daemon/slurmlens/hub/web/static/vendor/job.js"


@dataclass
class Hub:
    """The served application and what a test may change in it."""

    url: str
    history: FixedHistory
    live: Live


@dataclass
class Watched:
    """A page, and all that went wrong on it: script errors, messages of the console, requests to other hosts."""

    page: Page
    faults: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    loads: int = 0

    async def save(self, name: str) -> None:
        """A screenshot of the whole page for a person to look at."""
        ARTIFACTS.mkdir(exist_ok=True)
        await self.page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)


Open = Callable[..., Awaitable[Watched]]


@pytest_asyncio.fixture(loop_scope="session")
async def hub() -> AsyncIterator[Hub]:
    app, (history, live) = make_gallery_app()
    async with TestServer(app) as server:
        yield Hub(str(server.make_url("")).rstrip("/"), history, live)
        live.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    if not Path(PROGRAM).exists():
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    if not VENDOR.exists():
        pytest.skip("the browser part is not in place: make -C web")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(**LAUNCH)
        yield chromium
        await chromium.close()


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Browser, hub: Hub) -> AsyncIterator[Open]:
    """`await open_page("/jobs", width=375, javascript=False, color_scheme="dark")`: the page when it has settled."""
    contexts: list[BrowserContext] = []

    async def opened(path: str, *, width: int = 1280, javascript: bool = True, **options: object) -> Watched:
        context = await browser.new_context(
            viewport={"width": width, "height": 900},
            java_script_enabled=javascript,
            timezone_id="Europe/Berlin",
            permissions=["clipboard-read", "clipboard-write"],
            **options,  # type: ignore[arg-type]
        )
        contexts.append(context)
        watched = Watched(await context.new_page())
        listen(watched, hub.url)
        await watched.page.goto(hub.url + path)
        if javascript and await watched.page.locator("#charts .lane .plot").count():
            await watched.page.wait_for_selector("#charts.scripted")
        return watched

    yield opened
    for context in contexts:
        await context.close()


def listen(watched: Watched, home: str) -> None:
    """Notes every fault of a page."""

    def requested(request: Request) -> None:
        if not request.url.startswith((home + "/", "data:", "blob:")):
            watched.strangers.append(request.url)

    def loaded(_: object) -> None:
        watched.loads += 1

    watched.page.on("request", requested)
    watched.page.on("load", loaded)
    watched.page.on("pageerror", lambda error: watched.faults.append(str(error)))
    watched.page.on("console", lambda message: watched.faults.append(message.text))
    watched.page.on("dialog", lambda dialog: watched.faults.append(f"dialog: {dialog.message}"))
