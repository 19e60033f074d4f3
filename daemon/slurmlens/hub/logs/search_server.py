"""Speaks HTTP with OpenSearch or Elasticsearch: one session, JSON in and out; the only module that does.

Owns the connection and what errors mean: everything that goes wrong is a LogStoreError in words that say what to do.
Both servers are spoken to alike, without a vendor's client: Elastic's refuse OpenSearch. Used by `opensearch_store`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from slurmlens.config.log_store import SearchServerConfig
from slurmlens.errors import ConfigError
from slurmlens.hub.logs.store import LogStoreError

_JSON = "application/json"
NDJSON = "application/x-ndjson"
_BUSY = 429
_BLOCKED = "cluster_block_exception"
_MOST_TOLD = 300


class SearchServerError(LogStoreError):
    """The server answered that it will not: `status` of HTTP, `kind` as the server calls the error."""

    def __init__(self, message: str, status: int, kind: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind

    @property
    def is_lasting(self) -> bool:
        """Whether the next moment will not mend it."""
        return self.status not in (429, 503) or self.kind == _BLOCKED


class SearchServer:
    """One server, or a cluster behind one address. Made before the loop runs; connects when first asked."""

    def __init__(self, settings: SearchServerConfig) -> None:
        self.url = settings.url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=settings.timeout_s)
        self._auth = _auth(settings)
        self._ssl = _context(settings.ca_file)
        self._session: aiohttp.ClientSession | None = None

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        parameters: Mapping[str, str] | None = None,
        *,
        content_type: str = _JSON,
    ) -> Any:
        """The answer's JSON; `body` is bytes or what becomes JSON. SearchServerError where the server refuses."""
        data = body if isinstance(body, bytes) or body is None else msgspec.json.encode(body)
        headers = {} if data is None else {"Content-Type": content_type}
        try:
            async with self._opened().request(
                method, self.url + path, data=data, params=parameters, headers=headers, ssl=self._ssl
            ) as answer:
                text = await answer.read()
        except TimeoutError as error:
            raise LogStoreError(f"{self.url} did not answer in {self._timeout.total:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise LogStoreError(f"{self.url} is not reached: {error}"[:_MOST_TOLD]) from error
        decoded = _decoded(text)
        if answer.status >= 300:
            told = decoded.get("error") if isinstance(decoded, dict) else None
            raise refusal(answer.status, told if told is not None else text.decode("utf-8", "replace"), self.url)
        return decoded

    async def close(self) -> None:
        """Ends the connections."""
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(0)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(timeout=self._timeout, auth=self._auth)
        return self._session


def refusal(status: int, error: Any, where: str) -> SearchServerError:
    """What a server's error means, and what to do; `error` is its own object, of an answer or of a bulk's item."""
    kind = str(error.get("type", "")) if isinstance(error, Mapping) else ""
    reason = str(error.get("reason", "")) if isinstance(error, Mapping) else str(error)
    if isinstance(error, Mapping) and isinstance(error.get("caused_by"), Mapping):
        reason += f": {error['caused_by'].get('reason', '')}"
    words = _words(status, kind, reason)
    return SearchServerError(f"{where}: {words}"[:_MOST_TOLD], status, kind)


def _words(status: int, kind: str, reason: str) -> str:
    if kind == _BLOCKED and "read-only" in reason:
        return (
            "the index is read-only: as a rule the server's disk is above its flood-stage watermark. Free disk or lower"
            f" [logs] keep_days ({reason})"
        )
    if status == _BUSY:
        return f"the search server is full and takes nothing now (429 {kind}); lines wait at their senders"
    if status in (401, 403) and kind != _BLOCKED:
        return f"the server does not let the hub do this ({status} {kind}): user and password in [logs.opensearch]?"
    if kind.endswith(("mapping_exception", "parsing_exception")):
        return f"the line does not fit the index's mapping: {reason}"
    return f"{status} {kind} {reason}".strip()


def _decoded(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text) if text else {}
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _auth(settings: SearchServerConfig) -> aiohttp.BasicAuth | None:
    if settings.user is None:
        return None
    if settings.password_file is None:
        raise ConfigError("a user without password_file", key="logs.opensearch.password_file")
    try:
        password = settings.password_file.read_text().strip()
    except OSError as error:
        raise ConfigError(
            f"{settings.password_file} cannot be read: {error.strerror}", key="logs.opensearch.password_file"
        ) from error
    return aiohttp.BasicAuth(settings.user, password)


def _context(ca_file: Path | None) -> ssl.SSLContext | bool:
    if ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except OSError as error:
        raise ConfigError(f"{ca_file} is no file of certificates: {error}", key="logs.opensearch.ca_file") from error
