"""Who sends events: proves a request by MUNGE or token, and binds it to a node.

Owns the rules of `docs/specs/hub-api.md`. A MUNGE credential is accepted once, while fresh, from an allowed user, for
exactly this node and body, and made on a host that has one of that node's addresses. Framework-free: headers and bytes
in, the node's name out; RefusedError (401: not proved, 403: not for this node) with a reason from a bounded set
otherwise, SourceError where nothing can be known now. Used by whoever takes events: the hub's ingest and the relay's.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import pwd
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol

from slurmlens.config.auth import AuthConfig
from slurmlens.errors import ConfigError, RefusedError, SourceError
from slurmlens.runtime.munge import Credential, decode
from slurmlens.runtime.request_proof import events_payload

NODE_HEADER = "x-slurmlens-node"
ANY_NODE = "*"

DecodeCredential = Callable[[bytes], Credential]


class Origins(Protocol):
    """Knows from which addresses a node may speak."""

    async def is_of_node(self, address: str, node: str) -> bool | None:
        """Whether the address is one of the node's (or, on the hub, of a relay's); None where no such node is known."""

    @property
    def known(self) -> bool:
        """Whether it is known yet which nodes there are."""


class Prove(Protocol):
    """Says which node a request comes from, for whoever takes events; `Authenticator` does."""

    async def node_of(self, headers: Mapping[str, str], body: bytes) -> str:
        """The node; RefusedError or SourceError otherwise."""


Refuse = Callable[[str, str], RefusedError]
Check = Callable[[str, str, bytes], Awaitable[None]]


class Authenticator:
    """Checks the credential of one request."""

    def __init__(
        self, settings: AuthConfig, origins: Origins, decode_credential: DecodeCredential | None = None
    ) -> None:
        self._settings = settings
        self._origins = origins
        self._decode = decode_credential or (lambda text: decode(text, socket_path=settings.munge_socket))
        self._uids = allowed_uids(settings.allowed_users) if settings.munge else frozenset()
        self._tokens = TokenFile(settings.token_file) if settings.token_file else None

    async def node_of(self, headers: Mapping[str, str], body: bytes) -> str:
        """The node that this request was proved to come from. `headers` by lower-case names."""
        node = headers.get(NODE_HEADER, "")
        if not node or len(node) > 255 or not node.isprintable():
            raise RefusedError(f"name the node in the header {NODE_HEADER}", reason="no_node")
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        check = self._schemes().get(scheme.lower())
        if check is None:
            offered = " or ".join(sorted(self._schemes()))
            raise RefusedError(f"prove who you are in the header authorization: {offered}", reason="no_credential")
        await check(node, secret.strip(), body)
        return node

    def _schemes(self) -> dict[str, Check]:
        schemes: dict[str, Check] = {}
        if self._settings.munge:
            schemes["munge"] = self._check_munge
        if self._tokens is not None:
            schemes["bearer"] = self._check_token
        return schemes

    async def _check_munge(self, node: str, secret: str, body: bytes) -> None:
        credential = await asyncio.to_thread(self._decode, secret.encode(errors="replace"))
        if not hmac.compare_digest(credential.payload, events_payload(node, body)):
            raise RefusedError("the credential was made for another request or another node", reason="payload")
        if credential.uid not in self._uids:
            allowed = ", ".join(self._settings.allowed_users)
            message = f"uid {credential.uid} does not speak for nodes, only {allowed} ([auth] allowed_users)"
            raise RefusedError(message, reason="user", status=403)
        if self._settings.check_origin:
            await self._check_origin(credential.origin, node)

    async def _check_origin(self, address: str, node: str) -> None:
        if not self._origins.known:
            raise SourceError("the scheduler has not given its nodes yet; try again")
        is_of_node = await self._origins.is_of_node(address, node)
        if is_of_node is None:
            raise RefusedError(f"the scheduler knows no node {node}", reason="unknown_node", status=403)
        if not is_of_node:
            message = f"the credential was made on {address}, which is not known here as an address of {node}"
            raise RefusedError(message, reason="origin", status=403)

    async def _check_token(self, node: str, secret: str, body: bytes) -> None:
        assert self._tokens is not None
        owners = self._tokens.nodes_of(secret)
        if not owners:
            raise RefusedError("the token is not in the token file", reason="token")
        if node not in owners and ANY_NODE not in owners:
            raise RefusedError(f"this token does not speak for node {node}", reason="token_node", status=403)


class TokenFile:
    """Lines `NODE TOKEN`; read again when the file changes. ConfigError where it can't be used at the start."""

    MIN_TOKEN_CHARS = 16

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._nodes: dict[bytes, frozenset[str]] = {}
        self._read()

    def nodes_of(self, token: str) -> frozenset[str]:
        """The nodes a token speaks for.

        Tokens are found by their SHA-256: it costs the same with one token and with 10,000, and how long it takes says
        nothing about how much of a wrong one was right.
        """
        try:
            if self._stamp_now() != self._stamp:
                self._read()
        except (OSError, ConfigError) as error:
            raise SourceError(f"token file: {error}") from error
        return self._nodes.get(_digest(token), frozenset())

    def _stamp_now(self) -> tuple[int, int, int]:
        status = self._path.stat()
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read(self) -> None:
        try:
            status = self._path.stat()
            stamp, mode, owner = self._stamp_now(), status.st_mode, status.st_uid
            lines = self._path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot be read: {error}", path=self._path, key="auth.token_file") from error
        if problem := mode_problem(mode, owner, os.geteuid()):
            raise ConfigError(problem, path=self._path, key="auth.token_file")
        nodes: dict[bytes, frozenset[str]] = {}
        owners: dict[str, tuple[str, int]] = {}
        for number, line in enumerate(lines, start=1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if len(words) != 2 or len(words[1]) < self.MIN_TOKEN_CHARS:
                message = f"a line is NODE TOKEN, the token of {self.MIN_TOKEN_CHARS} characters at least"
                raise ConfigError(message, path=self._path, line=number)
            node, first = owners.setdefault(words[1], (words[0], number))
            if node != words[0]:
                message = (
                    f"{words[0]} has the token of {node} (line {first}): each node speaks for itself, give it its own"
                )
                raise ConfigError(message, path=self._path, line=number)
            nodes[_digest(words[1])] = frozenset([words[0]])
        self._stamp, self._nodes = stamp, nodes


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()


def mode_problem(mode: int, owner_uid: int, reader_uid: int) -> str | None:
    """Why a file of secrets is open too far; None where it is not.

    A group may read it where the reader needs that: the file is another's (root's), and the reader is of its group.
    """
    if mode & 0o007:
        return "others may read it: chmod o= it"
    if mode & 0o030:
        return "its group may write it: chmod g-wx it"
    if mode & 0o040 and owner_uid == reader_uid != 0:
        return "its group may read it, and this program is its owner: chmod g= it"
    return None


def allowed_uids(users: tuple[str, ...]) -> frozenset[int]:
    """Uids of users given by name or number; a name that this host does not know is left out (it can prove nothing)."""
    uids: set[int] = set()
    for user in users:
        if user.isdecimal():
            uids.add(int(user))
            continue
        try:
            uids.add(pwd.getpwnam(user).pw_uid)
        except KeyError:
            continue
    return frozenset(uids)
