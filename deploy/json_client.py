"""JSON documents of a server of ours on the loopback address: GET, and PUT of bytes.

Whoever has opened a link that logs in stays logged in, as in a browser: cookies are kept, by `new_browser` apart.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from deploy.errors import DeployError

ANSWER_MAX_S = 20.0
Browser = urllib.request.OpenerDirector


def new_browser() -> Browser:
    """One with cookies of its own. A proxy from the environment would be asked for 127.0.0.1 too."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor())


OUR_BROWSER = new_browser()


class NotFound(DeployError):
    """The server answers, but knows nothing of that."""


def get(url: str, query: Mapping[str, Any] | None = None, browser: Browser = OUR_BROWSER) -> Any:
    """The document; NotFound for a 404, DeployError when there is no usable answer."""
    return _answer(urllib.request.Request(f"{url}?{urllib.parse.urlencode(query)}" if query else url), browser)


def log_in(link: str, browser: Browser = OUR_BROWSER) -> Browser:
    """The browser, in which the link was opened."""
    try:
        browser.open(link, timeout=ANSWER_MAX_S).close()
    except OSError as error:
        raise DeployError(f"{link} logs nobody in: {error}") from error
    return browser


def put(url: str, body: bytes, content_type: str = "application/octet-stream") -> Any:
    """The document that answers the PUT; the same exceptions."""
    headers = {"Content-Type": content_type}
    return _answer(urllib.request.Request(url, data=body, headers=headers, method="PUT"), OUR_BROWSER)


def text(url: str) -> str:
    """What it answers as it is, up to a megabyte; DeployError where there is no answer."""
    try:
        with OUR_BROWSER.open(url, timeout=ANSWER_MAX_S) as answer:
            return str(answer.read(2**20).decode("utf-8", "replace"))
    except OSError as error:
        raise DeployError(f"{url} does not answer: {error}") from error


def tell(url: str, body: bytes) -> None:
    """A PUT whose answer says nothing; the same exceptions."""
    request = urllib.request.Request(url, data=body, method="PUT")
    try:
        OUR_BROWSER.open(request, timeout=ANSWER_MAX_S).close()
    except OSError as error:
        raise DeployError(f"{url}: {error}") from error


def _answer(request: urllib.request.Request, browser: Browser) -> Any:
    address = request.full_url
    try:
        with browser.open(request, timeout=ANSWER_MAX_S) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        kind = NotFound if error.code == 404 else DeployError
        raise kind(f"{address}: {error.code} {error.reason}") from error
    except (OSError, ValueError) as error:
        raise DeployError(f"{address} does not answer: {error}") from error
