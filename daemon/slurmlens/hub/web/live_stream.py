"""A running job's page, kept up to date: server-sent events made from the same view as everything else.

Fed by `news` (something changed about this job) and by history (what it is now); feeds `web/src/live.js`. Three events:
`view` (the parts of the page whose HTML changed, and when a node last reported something), `points` (see `point_delta`)
and `ended` (nothing more will come). Changes only wake the stream: what is sent always comes from reading the facts
anew, so a lost change costs a moment, never a wrong page. A connection that comes back gets all parts, and the points
since it first came.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from slurmlens.errors import PageError
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.news import Fact
from slurmlens.hub.views.job.view import JobView
from slurmlens.hub.web.point_delta import held_by
from slurmlens.hub.web.ports import LiveFeed
from slurmlens.hub.web.shown import Held, Shown, server_sent
from slurmlens.runtime.turns import Turns

_log = logging.getLogger(__name__)

LEAST_PAUSE_S = 0.4
"""Between two messages, however much happens: 128 nodes that report at once are one change on the screen."""
IDLE_S = 5.0
"""Without any change, durations and shares still move on."""

RECHECK_S = 20.0
"""So often a stream asks whether its viewer may still see what he sees."""

STREAMS_A_TURN = 32
"""So many are written to before the hub looks at its other connections; some 0.1 ms each."""

ShownSince = Callable[[float], Awaitable[Shown]]
"""The job as read at this moment of the loop's clock or later."""


async def stream_job(
    viewer: Viewer,
    request: web.Request,
    shown_since: ShownSince,
    is_still_admitted: Callable[[], Awaitable[bool]],
    feed: LiveFeed,
    turns: Turns,
) -> web.StreamResponse:
    """Answers `GET /jobs/ID/live` until the job's figures are final, the browser leaves or the hub stops, or the viewer
    is no longer the one that he was: a login that ended, a role that was taken away. The browser asks again then.
    """
    view = (await shown_since(_now())).view
    await turns.take()
    async with sse_response(request, headers={"Cache-Control": "no-store"}) as response:
        with feed.watch(viewer, view.identity.job_id) as changes:
            waker = _Waker(changes)
            try:
                held = held_by_browser(request, view)
                await _follow(response, _only_while(is_still_admitted, shown_since), waker, held, turns)
            except PageError:
                pass  # gone, or no longer for this viewer: whoever asks again gets the error
            except ConnectionError:
                pass  # the browser has left
            except Exception:  # the answer has begun: no error page can follow; the browser asks again by itself
                _log.exception("a live page stopped", extra={"job_id": view.identity.job_id})
            finally:
                await waker.close()
    return response


def _only_while(is_still_admitted: Callable[[], Awaitable[bool]], shown_since: ShownSince) -> ShownSince:
    """The same, asking every `RECHECK_S` whether the viewer may go on; PageError where not."""
    checked_at = _now()

    async def shown(since: float) -> Shown:
        nonlocal checked_at
        if _now() - checked_at >= RECHECK_S:
            if not await is_still_admitted():
                raise PageError(401, "session", "The login has ended", "Log in again.")
            checked_at = _now()
        return await shown_since(since)

    return shown


def _now() -> float:
    return asyncio.get_running_loop().time()


def held_by_browser(request: web.Request, view: JobView) -> Held:
    """What the browser says it has drawn already (`?shape=…&until=…`), so that the first message is a tail, too."""
    try:
        until_s = float(request.query.get("until", ""))
    except ValueError:
        until_s = math.nan
    charts = held_by(view.charts, request.query.get("shape", ""), until_s) if view.charts else None
    name = None if charts is None else (charts.shape, len(charts.times_s), view.made_ns)
    return Held(charts_name=name, charts=charts)


async def _follow(
    response: EventSourceResponse, shown_since: ShownSince, waker: _Waker, held: Held, turns: Turns
) -> None:
    while response.is_connected():
        shown = await shown_since(waker.woken_at)
        events, held = await shown.news(held)
        await turns.take()
        await response.write(events)
        if not shown.view.is_live:
            await response.write(server_sent("ended", {"made_ns": shown.view.made_ns}))
            return
        # not all at once: those who connected together would wake together for as long as they look
        if not await waker.wait(IDLE_S * random.uniform(0.8, 1.2)):  # noqa: S311  # no secret
            return
        await asyncio.sleep(LEAST_PAUSE_S)


class _Waker:
    """Reads changes as fast as they come and remembers only that there were some."""

    def __init__(self, changes: AsyncIterator[Fact]) -> None:
        self._some = asyncio.Event()
        self._has_ended = False
        self.woken_at = _now()
        """When the last change was heard of, or waiting for one was given up: a view from before is too old."""
        self._task = asyncio.create_task(self._read(changes))

    async def _read(self, changes: AsyncIterator[Fact]) -> None:
        try:
            async for _ in changes:
                self.woken_at = _now()
                self._some.set()
        finally:
            self._has_ended = True
            self._some.set()

    async def wait(self, most_s: float) -> bool:
        """Until something changed or `most_s` passed; False once the feed has ended."""
        try:
            async with asyncio.timeout(most_s):
                await self._some.wait()
        except TimeoutError:
            # some seconds old is new enough where nothing happened, and those who wait together share it
            self.woken_at = max(self.woken_at, _now() - most_s / 2)
        self._some.clear()
        return not self._has_ended

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
