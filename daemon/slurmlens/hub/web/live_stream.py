"""A running job's page, kept up to date: server-sent events made from the same view as everything else.

Fed by `live` (something changed about this job) and by history (what it is now); feeds `web/src/live.js`. Three events:
`view` (the parts of the page whose HTML changed, and when a node last told something), `points` (see `point_delta`) and
`ended` (nothing more will come). Changes only wake the stream: what is sent always comes from reading the facts anew,
so a lost change costs a moment, never a wrong page. A connection that comes back gets all parts, and the points since
it first came.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from slurmlens.hub.news import Change
from slurmlens.hub.views.job.view import Charts, JobView
from slurmlens.hub.web.point_delta import held_by, points_since
from slurmlens.hub.web.ports import LiveFeed
from slurmlens.hub.web.view_cache import Shown

_log = logging.getLogger(__name__)

LEAST_PAUSE_S = 0.4
"""Between two messages, however much happens: 128 nodes telling at once are one change on the screen."""
IDLE_S = 5.0
"""Without any change, durations and shares still move on."""

ShownSince = Callable[[float], Awaitable[Shown]]
"""The job as read at this moment of the loop's clock or later."""


class Sent:
    """What one browser has been sent, so that it gets what is new and nothing else."""

    def __init__(self, charts: Charts | None = None) -> None:
        self._parts: dict[str, str] = {}
        self._charts = charts

    def changes(self, shown: Shown) -> list[tuple[str, str]]:
        """(event, data): a `view`, even an empty one (it shows that the hub is there), and `points` if any."""
        view, parts = shown.view, shown.parts
        changed = {part: html for part, html in parts.items() if self._parts.get(part) != html}
        self._parts = parts
        news = {"parts": changed, "made_ns": view.made_ns, "news_ns": view.last_news_ns, "title": page_title(view)}
        messages = [("view", _json(news))]
        points = points_since(self._charts, view.charts) if view.charts else None
        if points:
            self._charts = view.charts
            messages.append(("points", _json(points)))
        return messages


def page_title(view: JobView) -> str:
    """What the browser's tab says: state first, for tabs are narrow."""
    name = f" {view.identity.name}" if view.identity.name else ""
    return f"{view.state_text} · {view.identity.job_id}{name}"


async def stream_job(request: web.Request, shown_since: ShownSince, feed: LiveFeed) -> web.StreamResponse:
    """Answers `GET /jobs/ID/live` until the job's figures are final, the browser leaves or the hub stops."""
    view = (await shown_since(_now())).view
    async with sse_response(request, headers={"Cache-Control": "no-store"}) as response:
        with feed.watch(view.identity.job_id) as changes:
            waker = _Waker(changes)
            try:
                await _follow(response, shown_since, waker, Sent(held_charts(request, view)))
            except ConnectionError:
                pass  # the browser has left
            except Exception:  # the answer has begun: no error page can follow; the browser asks again by itself
                _log.exception("a live page stopped", extra={"job_id": view.identity.job_id})
            finally:
                await waker.close()
    return response


def _now() -> float:
    return asyncio.get_running_loop().time()


def held_charts(request: web.Request, view: JobView) -> Charts | None:
    """What the browser says it has drawn already (`?shape=…&until=…`), so that the first message is a tail, too."""
    try:
        until_s = float(request.query.get("until", ""))
    except ValueError:
        return None
    return held_by(view.charts, request.query.get("shape", ""), until_s) if view.charts else None


async def _follow(response: EventSourceResponse, shown_since: ShownSince, waker: _Waker, sent: Sent) -> None:
    while response.is_connected():
        shown = await shown_since(waker.woken_at)
        for event, data in sent.changes(shown):
            await response.send(data, event=event)
        if not shown.view.is_live:
            await response.send(_json({"made_ns": shown.view.made_ns}), event="ended")
            return
        if not await waker.wait(IDLE_S):
            return
        await asyncio.sleep(LEAST_PAUSE_S)


class _Waker:
    """Reads changes as fast as they come and remembers only that there were some."""

    def __init__(self, changes: AsyncIterator[Change]) -> None:
        self._some = asyncio.Event()
        self.woken_at = _now()
        """When the last change was heard of, or waiting for one was given up: a view from before is too old."""
        self._task = asyncio.create_task(self._read(changes))

    async def _read(self, changes: AsyncIterator[Change]) -> None:
        async for _ in changes:
            self.woken_at = _now()
            self._some.set()

    async def wait(self, most_s: float) -> bool:
        """Until something changed or `most_s` passed; False once the feed has ended."""
        waiting = asyncio.create_task(self._some.wait())
        await asyncio.wait({waiting, self._task}, timeout=most_s, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not self._some.is_set():
            self.woken_at = _now()
        self._some.clear()
        return not self._task.done()

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
