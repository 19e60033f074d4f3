"""Requests to a Grafana and what their answers mean, whichever of its APIs is asked.

Owns the key, the refusal to carry it elsewhere, and how a refusal is worded. Used by `grafana`, `grafana_classic` and
`grafana_resources`.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import Any

import msgspec

from slurmlens.errors import GrafanaError
from slurmlens.shown.text import visible

TIMEOUT_S = 15.0
MOST_BYTES = 64 * 1024 * 1024


class GrafanaRequests:
    """One Grafana. `token` is a service account's."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._token = token

    def ask(
        self, method: str, path: str, body: object = None, *, kind: Any = Any, missing_is_well: bool = False
    ) -> Any:
        """The decoded answer; None where there is nothing and that is well. GrafanaError says what is wrong."""
        data = None if body is None else msgspec.json.encode(body)
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self._url + path, data, headers, method=method)  # noqa: S310  # http, checked
        try:
            with urllib.request.build_opener(_NoRedirect()).open(request, timeout=TIMEOUT_S) as answer:
                text = answer.read(MOST_BYTES)
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.NOT_FOUND and missing_is_well:
                return None
            raise GrafanaError(f"{method} {path}: {_refusal(error)}", status=error.code) from error
        except (OSError, http.client.HTTPException) as error:
            raise GrafanaError(f"no answer from Grafana at {self._url} ({error})") from error
        try:
            return msgspec.json.decode(text, type=kind) if text else None
        except msgspec.MsgspecError as error:
            raise GrafanaError(f"{method} {path}: this is no answer of Grafana's ({error})") from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A key goes to no other address than the one that was named."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _refusal(error: urllib.error.HTTPError) -> str:
    words = {
        HTTPStatus.UNAUTHORIZED: "the key is refused",
        HTTPStatus.FORBIDDEN: "the key may not do that: it takes the role of an editor",
    }
    try:
        told = msgspec.json.decode(error.read(10_000), type=dict[str, Any]).get("message", "")
    except (msgspec.MsgspecError, OSError):
        told = ""
    said = words.get(HTTPStatus(error.code), f"status {error.code}") if error.code in set(HTTPStatus) else str(error)
    return f"{said} ({visible(str(told))[:200]})" if told else said
