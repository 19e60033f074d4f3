"""Speaks Consul's HTTP API to the agent on this machine: one connection, one request at a time.

Owns paths, parameters and the meaning of status codes; what the bodies mean is `answers`'. Everything that goes wrong
is a DiscoveryError with a bounded reason. Whoever waits in a blocking query needs a client of its own. The token is
read from its file for each request, so that it can be changed under a running program.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from slurmlens import __version__
from slurmlens.config.consul import ConsulConfig
from slurmlens.discovery import answers
from slurmlens.discovery.answers import Instance, Registered, ServiceInstance
from slurmlens.discovery.blocking import time_limit
from slurmlens.errors import DecodeError, DiscoveryError, TransportError
from slurmlens.runtime.endpoint import FixedEndpoint
from slurmlens.runtime.http import STALE, Answer, HttpClient

T = TypeVar("T")

UNKNOWN = "unknown"
"""Reason where the agent does not know the check or the service that was named."""

OPERATIONS_MAX = 64
"""In one transaction: 64 before Consul 1.12, 128 since."""

_MAX_TOKEN_BYTES = 4096
_JSON = ("Content-Type", "application/json")


class Reply(msgspec.Struct, Generic[T], frozen=True):
    """What a blocking query said, and the index to go on from."""

    value: T
    index: int


class ConsulClient:
    """One conversation with the agent."""

    def __init__(self, config: ConsulConfig) -> None:
        self._config = config
        self._http = HttpClient(FixedEndpoint(*config.address), timeout_s=config.timeout_s)

    async def instances(
        self, service: str, tag: str | None, *, index: int, wait_s: float
    ) -> Reply[tuple[Instance, ...]]:
        """The usable instances of a service; none is an answer too."""
        parameters = {"stale": "", **_waiting(index, wait_s), **({} if tag is None else {"tag": tag})}
        answer = await self._ask("GET", f"/v1/health/service/{quote(service, safe='')}", parameters, wait_s=wait_s)
        return self._reply(answer, answers.instances)

    async def registered(self, service: str) -> tuple[Registered, ...]:
        """Every instance of a service, whatever its checks say, as the leading server knows them now."""
        answer = await self._ask("GET", f"/v1/health/service/{quote(service, safe='')}", {"consistent": ""})
        return self._reply(answer, answers.registered).value

    async def services(self) -> tuple[str, ...]:
        """The names of all services."""
        return self._reply(await self._ask("GET", "/v1/catalog/services", {"stale": ""}), answers.service_names).value

    async def placed(self, service: str) -> tuple[ServiceInstance, ...]:
        """All instances of a service, usable or not."""
        answer = await self._ask("GET", f"/v1/health/service/{quote(service, safe='')}", {"stale": ""})
        return self._reply(answer, lambda body: answers.placed(body, service)).value

    async def tree(self, prefix: str, *, index: int, wait_s: float) -> Reply[dict[str, bytes]]:
        """Keys below `prefix`, named without it; none is an answer too (404 with an index)."""
        parameters = {"recurse": "", "stale": "", **_waiting(index, wait_s)}
        answer = await self._ask("GET", f"/v1/kv/{quote(prefix)}", parameters, wait_s=wait_s, also=404)
        return self._reply(answer, lambda body: {} if answer.status == 404 else answers.pairs(body, prefix))

    async def folders(self, prefix: str) -> list[str]:
        """What lies right below `prefix`, full names; a folder ends in `/`."""
        answer = await self._ask("GET", f"/v1/kv/{quote(prefix)}", {"keys": "", "separator": "/"}, also=404)
        return self._reply(answer, lambda body: [] if answer.status == 404 else answers.keys(body)).value

    async def transact(self, operations: Sequence[Mapping[str, object]]) -> None:
        """Do all of them or none; 64 at most."""
        if len(operations) > OPERATIONS_MAX:
            raise DiscoveryError(f"a transaction of {len(operations)} operations: 64 is the most", reason="request")
        body = msgspec.json.encode([{"KV": operation} for operation in operations])
        answer = await self._ask("PUT", "/v1/txn", {}, body, also=409)
        if answer.status == 409:
            raise DiscoveryError(f"Consul rolled it back: {answers.refusal(answer.body)}", reason="conflict")

    async def register(self, service: Mapping[str, object]) -> None:
        """Tell the agent of a service and its check, or of their new form."""
        await self._tell("/v1/agent/service/register", msgspec.json.encode(service))

    async def deregister(self, service_id: str) -> None:
        """Take a service away; reason `UNKNOWN` where it is not there."""
        await self._tell(f"/v1/agent/service/deregister/{quote(service_id, safe='')}", b"", may_be_unknown=True)

    async def beat(self, check_id: str, status: str, output: str) -> None:
        """Say how the program fares, and that it lives; reason `UNKNOWN` where the agent has forgotten the check."""
        body = msgspec.json.encode({"Status": status, "Output": output})
        await self._tell(f"/v1/agent/check/update/{quote(check_id, safe='')}", body, may_be_unknown=True)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._http.aclose()

    async def _tell(self, path: str, body: bytes, *, may_be_unknown: bool = False) -> None:
        answer = await self._ask("PUT", path, None, body, also=(404, 500) if may_be_unknown else ())
        if answer.status in (404, 500):
            raise DiscoveryError(f"Consul: {answers.text(answer.body)}", reason=UNKNOWN)

    async def _ask(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None,
        body: bytes = b"",
        *,
        wait_s: float = 0.0,
        also: int | tuple[int, ...] = (),
    ) -> Answer:
        """The answer, of status 200 or one of `also`. `parameters` None: the agent itself is meant, no datacenter."""
        timeout_s = time_limit(wait_s, self._config.timeout_s)
        target = path + self._query(parameters)
        try:
            try:
                answer = await self._http.request(method, target, self._headers(), body, timeout_s=timeout_s)
            except TransportError as error:
                if error.reason != STALE:
                    raise
                # The agent had closed the kept connection; everything that is asked here may be asked twice.
                answer = await self._http.request(method, target, self._headers(), body, timeout_s=timeout_s)
        except TransportError as error:
            raise DiscoveryError(f"Consul: {error}", reason=error.reason) from error
        if answer.status == 200 or answer.status in (also if isinstance(also, tuple) else (also,)):
            return answer
        reason = "denied" if answer.status == 403 else f"http_{answer.status}"
        raise DiscoveryError(f"Consul answered {answer.status}: {answers.text(answer.body)}", reason=reason)

    def _query(self, parameters: Mapping[str, str] | None) -> str:
        if parameters is None:
            return ""
        datacenter = self._config.datacenter
        encoded = urlencode({**parameters, **({} if datacenter is None else {"dc": datacenter})})
        return f"?{encoded}" if encoded else ""

    def _headers(self) -> list[tuple[str, str]]:
        headers = [("User-Agent", f"slurmlens/{__version__}"), _JSON]
        path = self._config.token_file
        if path is None:
            return headers
        try:
            with open(path, "rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                token = file.read(_MAX_TOKEN_BYTES).strip().decode("latin-1")
        except OSError as error:
            raise DiscoveryError(f"token file {path}: {error.strerror}", reason="token") from error
        if mode & 0o007:
            raise DiscoveryError(f"token file {path} is open to everybody: chmod 640", reason="token")
        if not token.isascii() or not token.isprintable() or not token or " " in token:
            raise DiscoveryError(f"token file {path} must hold one word in ASCII", reason="token")
        return [*headers, ("X-Consul-Token", token)]

    def _reply(self, answer: Answer, decode: Callable[[bytes], T]) -> Reply[T]:
        if answer.header("x-consul-results-filtered-by-acls") == "true":
            raise DiscoveryError("Consul withheld what the token may not read: check its policy", reason="denied")
        try:
            return Reply(decode(answer.body), answers.index_of(answer.header("x-consul-index")))
        except DecodeError as error:
            raise DiscoveryError(f"Consul's answer is not understood: {error}", reason="garbage") from error


def _waiting(index: int, wait_s: float) -> dict[str, str]:
    return {"index": str(index), "wait": f"{round(wait_s * 1000)}ms"} if index else {}
