"""One view of a job in all the forms in which it leaves the hub, each made once and beside the loop.

Owns a view's page, its parts and the messages of live pages. Made by `view_cache`; asked by `pages` and `live_stream`.
What a browser already has is named by a key, and all browsers that have the same get the same bytes.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Hashable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import jinja2
import msgspec

from slurmlens.hub.views.job.view import Charts, JobView
from slurmlens.hub.web.point_delta import points_since
from slurmlens.hub.web.render import PARTS, job_context, render_part
from slurmlens.runtime.beside import beside

MOST_FORMS = 64
"""Kept of one view; browsers that have been shown anything else are served each by itself."""

_Form = TypeVar("_Form")
_serials = itertools.count()


class Held(NamedTuple):
    """What a browser has: the parts of its page and its charts, and names that stand for exactly these."""

    parts_name: Hashable = None
    parts: Mapping[str, str] = MappingProxyType({})
    charts_name: Hashable = None
    charts: Charts | None = None


class Shown:
    """A view, and what was made of it so far."""

    def __init__(self, view: JobView, environment: jinja2.Environment) -> None:
        self.view = view
        self._environment = environment
        self._serial = next(_serials)
        self._forms: dict[Hashable, asyncio.Future[Any]] = {}

    @cached_property
    def context(self) -> dict[str, Any]:
        """What the templates of the page are filled with."""
        return job_context(self.view)

    @cached_property
    def parts(self) -> dict[str, str]:
        """The HTML of every part that changes while a job runs."""
        return {part: render_part(self._environment, part, self.context) for part in PARTS}

    async def page(self, address: str) -> str:
        """The whole page, as it is found at `address`."""

        def rendered() -> str:
            context = {"page_title": page_title(self.view), "address": address, "parts": PARTS, **self.context}
            return self._environment.get_template("job/page.html").render(context)

        return await self._once(("page", address), rendered)

    async def json(self) -> bytes:
        """The view itself."""
        return await self._once("json", lambda: msgspec.json.encode(self.view) + b"\n")

    async def news(self, held: Held) -> tuple[bytes, Held]:
        """What is new to a browser, as server-sent events, and what it has then."""
        return await self._once(("news", held.parts_name, held.charts_name), lambda: self._news(held))

    def _news(self, held: Held) -> tuple[bytes, Held]:
        """A `view`, even an empty one (it shows that the hub is there), and `points` if there are any."""
        view = self.view
        changed = {part: html for part, html in self.parts.items() if held.parts.get(part) != html}
        told = {"parts": changed, "made_ns": view.made_ns, "news_ns": view.last_news_ns, "title": page_title(view)}
        events = server_sent("view", told)
        points = points_since(held.charts, view.charts) if view.charts else None
        if not points:
            return events, held._replace(parts_name=self._serial, parts=self.parts)
        return events + server_sent("points", points), Held(self._serial, self.parts, self._serial, view.charts)

    async def _once(self, name: Hashable, make: Callable[[], _Form]) -> _Form:
        form: asyncio.Future[_Form] | None = self._forms.get(name)
        if form is None:
            form = asyncio.ensure_future(beside(make))
            if len(self._forms) < MOST_FORMS:
                self._forms[name] = form
        return await asyncio.shield(form)


def page_title(view: JobView) -> str:
    """What the browser's tab says: state first, for tabs are narrow."""
    name = f" {view.identity.name}" if view.identity.name else ""
    return f"{view.state_text} · {view.identity.job_id}{name}"


def server_sent(event: str, value: object) -> bytes:
    """One server-sent event; JSON holds no line break."""
    return b"event: " + event.encode() + b"\r\ndata: " + msgspec.json.encode(value) + b"\r\n\r\n"
