"""The window of time that a reader chose, carried from page to page: from the cluster to a node, a job, its log lines.

Owns which pages know a window and how each calls it. Where the address of a page names one, every link on it to a page
that knows windows gets the same one, in that page's own names; a link of the page to itself that names another is a
choice and is kept. Pages are made without it, so that what is kept of a job's page serves all readers. A moment that
was told as `6h` before now goes on as that moment; an end that was not told is now, and is not carried. Parts that a
running job's page is sent later carry none.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.errors import PageError
from slurmlens.hub.web.addresses import MOST_SECONDS, moment_of, number_in
from slurmlens.shown import format as fmt

_SINCE_UNTIL, _SINCE_AT, _FROM_TO = ("since", "until"), ("since", "at"), ("from", "to")
_NAMES = {
    "cluster": _SINCE_UNTIL,
    "logs": _SINCE_UNTIL,
    "jobs": _SINCE_UNTIL,
    "nodes": _SINCE_AT,
    "partitions": _SINCE_AT,
    "users": _SINCE_AT,
    "accounts": _SINCE_AT,
    "groups": _SINCE_AT,
    "switches": _SINCE_AT,
    "common-cause": _FROM_TO,
}
"""By the first part of an address: what a window's begin and end are called behind its question mark."""
_LINK = re.compile(rf'href="(/(?:{"|".join(_NAMES)})(?=[/?#".])[^"?#]*)(?:\?([^"#]*))?(#[^"]*)?"')


class PageWindow(NamedTuple):
    """A begin and an end as every page reads them (RFC 3339); an end of None is now."""

    begin: str
    end: str | None


def window_of(path: str, query: Mapping[str, str], now_ns: int) -> PageWindow | None:
    """The window that an address names; None where it names none, or none that can be used."""
    names = _NAMES.get(_first(path))
    if names is None or not query.get(names[0]):
        return None
    try:
        begin, end = (_moment(query.get(name), now_ns) for name in names)
    except PageError:
        return None
    return None if begin is None else PageWindow(begin, end)


def carried(page: str, path: str, window: PageWindow) -> str:
    """The page, found at `path`, with the window in its links."""

    def link(found: re.Match[str]) -> str:
        address, query, anchor = found[1], html.unescape(found[2] or ""), found[3] or ""
        names = _NAMES[_first(address)]
        asked = parse_qsl(query, keep_blank_values=True)
        if address == path and any(key in names for key, _ in asked):
            return found[0]
        ends = dict(zip(names, window, strict=True))
        kept = [pair for pair in asked if pair[0] not in names]
        told = urlencode([*kept, *((name, text) for name, text in ends.items() if text is not None)])
        return f'href="{address}?{html.escape(told)}{anchor}"'

    return _LINK.sub(link, page)


def window_middleware(clock: Clock) -> Middleware:
    """Carries the window of an address through the page that it answers."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        window = window_of(request.path, request.query, clock.wall_ns()) if request.query_string else None
        if window is not None and isinstance(response, web.Response) and response.content_type == "text/html":
            response.text = carried(response.text or "", request.path, window)
        return response

    return middleware


def _first(path: str) -> str:
    return path[1:].partition("/")[0].partition(".")[0]


def _moment(text: str | None, now_ns: int) -> str | None:
    if not text:
        return None
    seconds = number_in(text, 0, MOST_SECONDS)
    return fmt.iso_s(moment_of("since", text, now_ns) if seconds is None else seconds * NS_PER_S)
