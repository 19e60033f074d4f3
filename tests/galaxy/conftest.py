"""One Galaxy for the whole session, and a hub with a failed job that its tools ask."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from aiohttp import web
from deploy.components.galaxy import Galaxy
from deploy.errors import MachineLacks
from deploy.sandbox import Sandbox

from testkit.job_gallery import GALLERY
from testkit.job_hub import make_gallery_app


@pytest.fixture(scope="session")
def gallery_hub() -> Iterator[str]:
    """A hub that knows job 4711, which failed; in a thread of its own, for Galaxy's tools are processes."""
    loop, ready, url = asyncio.new_event_loop(), threading.Event(), [""]
    runners: list[web.AppRunner] = []

    async def serve() -> None:
        app, _ = make_gallery_app({4711: GALLERY["failed_on_faulty_node"]()})
        runner = web.AppRunner(app)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url[0] = f"http://127.0.0.1:{runner.addresses[0][1]}"
        ready.set()

    def work() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(serve())
        loop.run_forever()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert ready.wait(30)
    yield url[0]
    asyncio.run_coroutine_threadsafe(runners[0].cleanup(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(30)
    loop.close()


@pytest.fixture(scope="session")
def galaxy(component_sandbox: Sandbox, gallery_hub: str) -> Iterator[Galaxy]:
    """The server, its worker, and the tools."""
    try:
        server = Galaxy(component_sandbox, gallery_hub)
    except MachineLacks as error:
        pytest.skip(str(error))
    server.start_and_wait()
    yield server
    server.stop()
