"""What Consul's answers mean: bytes to values, DecodeError for what is no such answer.

Sans-IO. Shapes: https://developer.hashicorp.com/consul/api-docs/health, /kv, /txn; fields that we do not use are
skipped, lists may be null. Fed by `client`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import TypeVar

import msgspec

from slurmlens.errors import DecodeError

T = TypeVar("T")

_MAX_TEXT = 200
PASSING = "passing"
WARNING = "warning"
CRITICAL = "critical"


class Instance(msgspec.Struct, frozen=True):
    """One instance of a service that may be used; `port` is 0 where it was registered without one."""

    host: str
    port: int
    is_passing: bool


class Registered(msgspec.Struct, frozen=True):
    """What somebody registered, whatever its checks say; `host` is the agent's where the service named none."""

    id: str
    host: str
    port: int
    meta: dict[str, str]


class ServiceInstance(msgspec.Struct, frozen=True):
    """One instance of a service as Consul has it, whether it can be used or not; `status` is its gravest check's."""

    service: str
    node: str
    port: int
    status: str
    tags: tuple[str, ...] = ()


class _Node(msgspec.Struct, rename="pascal"):
    address: str = ""
    node: str = ""


class _Service(msgspec.Struct, rename="pascal"):
    address: str | None = None
    port: int | None = 0
    tags: list[str] | None = None
    id: str = msgspec.field(default="", name="ID")
    meta: dict[str, str] | None = None


class _Check(msgspec.Struct, rename="pascal"):
    status: str = ""


class _Entry(msgspec.Struct, rename="pascal"):
    node: _Node
    service: _Service
    checks: list[_Check] | None = None


class _Pair(msgspec.Struct, rename="pascal"):
    key: str
    value: str | None = None


class _OperationError(msgspec.Struct, rename="pascal"):
    op_index: int = 0
    what: str = ""


class _Transaction(msgspec.Struct, rename="pascal"):
    errors: list[_OperationError] | None = None


def index_of(header: str | None) -> int:
    """The value of X-Consul-Index; without one it was not Consul that answered."""
    if header is None or not header.isascii() or not header.isdigit() or len(header) > 20:
        raise DecodeError(f"X-Consul-Index is {header!r:.40}", reason="index")
    return int(header)


def instances(body: bytes) -> tuple[Instance, ...]:
    """The usable instances in an answer of /v1/health/service: critical ones and ones in maintenance are left out."""
    return tuple(_usable(_decoded(body, list[_Entry])))


def registered(body: bytes) -> tuple[Registered, ...]:
    """Every instance in an answer of /v1/health/service, usable or not."""
    return tuple(
        Registered(
            entry.service.id,
            entry.service.address or entry.node.address,
            entry.service.port or 0,
            entry.service.meta or {},
        )
        for entry in _decoded(body, list[_Entry])
    )


def service_names(body: bytes) -> tuple[str, ...]:
    """The names in an answer of /v1/catalog/services."""
    return tuple(sorted(_decoded(body, dict[str, list[str] | None])))


def placed(body: bytes, service: str) -> tuple[ServiceInstance, ...]:
    """All instances in an answer of /v1/health/service, those that cannot be used among them."""
    return tuple(
        ServiceInstance(
            service=service,
            node=entry.node.node or entry.node.address,
            port=entry.service.port or 0,
            status=_gravest({check.status for check in entry.checks or ()}),
            tags=tuple(sorted(entry.service.tags or ())),
        )
        for entry in _decoded(body, list[_Entry])
    )


def _gravest(states: set[str]) -> str:
    if states <= {PASSING}:
        return PASSING
    return WARNING if states <= {PASSING, WARNING} else CRITICAL


def _usable(entries: list[_Entry]) -> Iterator[Instance]:
    for entry in entries:
        states = {check.status for check in entry.checks or ()}
        host = entry.service.address or entry.node.address
        port = entry.service.port or 0
        if states <= {PASSING, WARNING} and _is_host(host) and 0 <= port < 65_536:
            yield Instance(host, port, WARNING not in states)


def pairs(body: bytes, prefix: str) -> dict[str, bytes]:
    """Keys, without `prefix`, and values of an answer of /v1/kv/PREFIX?recurse; folders (they end in `/`) left out."""
    found: dict[str, bytes] = {}
    for pair in _decoded(body, list[_Pair]):
        name = pair.key.removeprefix(prefix)
        if not pair.key.startswith(prefix) or not name or name.endswith("/"):
            continue
        try:
            found[name] = base64.b64decode(pair.value or "", validate=True)
        except (binascii.Error, ValueError) as error:
            raise DecodeError(f"the value of {pair.key!r:.80} is not base64", reason="base64") from error
    return found


def keys(body: bytes) -> list[str]:
    """An answer of /v1/kv/PREFIX?keys."""
    return _decoded(body, list[str])


def refusal(body: bytes) -> str:
    """Why a transaction was rolled back: the first error, in Consul's words."""
    try:
        errors = _decoded(body, _Transaction).errors
    except DecodeError:
        errors = None
    if not errors:
        return text(body)
    return text(f"operation {errors[0].op_index}: {errors[0].what}".encode())


def text(body: bytes) -> str:
    """Consul's words, fit for one line of a log."""
    said = body[:_MAX_TEXT].decode("utf-8", "replace").strip()
    return "".join(one if one.isprintable() else "?" for one in said)


def _is_host(host: str) -> bool:
    return bool(host) and host.isprintable() and not any(one.isspace() for one in host)


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DecodeError(f"{error}"[:_MAX_TEXT], reason="malformed") from error
