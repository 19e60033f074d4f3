"""JSON documents of a server of ours on the loopback address: GET, and PUT of bytes."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from deploy.errors import DeployError

ANSWER_MAX_S = 20.0
# A proxy from the environment would be asked for 127.0.0.1 too.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class NotFound(DeployError):
    """The server answers, but knows nothing of that."""


def get(url: str, query: Mapping[str, Any] | None = None) -> Any:
    """The document; NotFound for a 404, DeployError when there is no usable answer."""
    return _answer(urllib.request.Request(f"{url}?{urllib.parse.urlencode(query)}" if query else url))


def put(url: str, body: bytes) -> Any:
    """The document that answers the PUT; the same exceptions."""
    return _answer(urllib.request.Request(url, data=body, method="PUT"))


def _answer(request: urllib.request.Request) -> Any:
    address = request.full_url
    try:
        with _DIRECT.open(request, timeout=ANSWER_MAX_S) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        kind = NotFound if error.code == 404 else DeployError
        raise kind(f"{address}: {error.code} {error.reason}") from error
    except (OSError, ValueError) as error:
        raise DeployError(f"{address} does not answer: {error}") from error
