"""Who asks: proves a reader's request by proxy, MUNGE, Unix socket or session, in this order.

Owns the rules of `docs/access.md`. Framework-free: what a request says in, a `Person` out; RefusedError with a reason
from a bounded set where it proves nobody, SourceError or StoreError where nothing can be known now. What somebody may
see is not decided here but in `rules`. Used by `web.session`.

A header that names a user is believed of the proxy alone, and whoever else sends one is refused, whatever it proves
besides: a proxy that forgets to strip it must be noticed. So are headers that some proxies take for the same (`_` for
`-`, a second one).
"""

from __future__ import annotations

import asyncio
import hmac
import os
from collections.abc import Collection, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path

import msgspec

from slurmlens.config.access import AccessConfig, ProxyConfig
from slurmlens.errors import ConfigError, RefusedError, SourceError
from slurmlens.hub.access.tokens import LoginTokens
from slurmlens.hub.access.unix_users import UnixUsers
from slurmlens.hub.access.viewer import Person, Way
from slurmlens.runtime.authentication import DecodeCredential, mode_problem
from slurmlens.runtime.request_proof import payload

USER_HEADER = ProxyConfig().user_header
LEAST_SECRET_CHARACTERS = 16
_LONGEST_NAME = 64
_MUNGE_SCHEME = "munge"


class ReaderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a request says of who asks. `headers` as sent, in order; `address` is None on the Unix socket, where `uid`
    is the peer's as the kernel says."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    address: str | None = None
    uid: int | None = None
    session: str | None = None

    def all_of(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for one, value in self.headers if one.lower() == name.lower()]


class ReaderAuthenticator:
    """Proves readers."""

    def __init__(
        self, settings: AccessConfig, tokens: LoginTokens, users: UnixUsers, decode: DecodeCredential | None
    ) -> None:
        self._tokens = tokens
        self._users = users
        self._decode = decode
        self._proxy = None if settings.proxy is None else ProxyProof(settings.proxy, users)

    async def person(self, asked: ReaderRequest) -> Person:
        """Who asks."""
        if (named := await asyncio.to_thread(self._by_proxy, asked)) is not None:
            return Person(named, Way.PROXY)
        if (credential := _credential(asked)) is not None:
            return await self._by_munge(asked, credential)
        if asked.uid is not None:
            return Person(await self._name_of(asked.uid), Way.SOCKET)
        if asked.session is not None:
            return await self._by_session(asked.session)
        raise RefusedError("nobody is logged in", reason="no_credential")

    def _by_proxy(self, asked: ReaderRequest) -> str | None:
        if self._proxy is not None:
            return self._proxy.user_of(asked)
        if _told_headers(asked, (USER_HEADER,)):
            raise RefusedError(
                f"{USER_HEADER} is believed of nobody: there is no [access.proxy]", reason="forged", status=403
            )
        return None

    async def _by_munge(self, asked: ReaderRequest, credential: str) -> Person:
        if self._decode is None:
            raise RefusedError("this hub takes no MUNGE credentials ([auth] munge)", reason="no_munge")
        opened = await asyncio.to_thread(self._decode, credential.encode(errors="replace"))
        if not hmac.compare_digest(opened.payload, payload(asked.method, asked.target)):
            raise RefusedError("the credential was made for another request", reason="payload")
        return Person(await self._name_of(opened.uid), Way.MUNGE)

    async def _by_session(self, token: str) -> Person:
        user = await self._tokens.user_of_session(token)
        if user is None:
            raise RefusedError("the login has ended", reason="session")
        return Person(user, Way.SESSION)

    async def _name_of(self, uid: int) -> str:
        name = await asyncio.to_thread(self._users.name_of, uid)
        if name is None:
            raise RefusedError(f"the hub's machine knows no user with uid {uid}", reason="unknown_user", status=403)
        return name


class ProxyProof:
    """Whom the proxy names, if it is the proxy who asks."""

    def __init__(self, settings: ProxyConfig, users: UnixUsers) -> None:
        assert settings.secret_file is not None
        self._settings = settings
        self._users = users
        self._secret_file = settings.secret_file
        self._networks = [ip_network(address) for address in settings.addresses]
        read_secret(self._secret_file)  # now, so that a hub with a wrong one does not start

    def user_of(self, asked: ReaderRequest) -> str | None:
        """The user; None for a request that comes past the proxy and claims nothing. Reads a file: from a thread."""
        secret_header, user_header = self._settings.secret_header, self._settings.user_header
        if not _told_headers(asked, (secret_header, user_header)):
            return None
        users, secrets = asked.all_of(user_header), asked.all_of(secret_header)
        if not self._is_the_proxy(asked.address, secrets):
            message = f"{user_header} is believed of the proxy alone: from its address, with its secret"
            raise RefusedError(message, reason="forged", status=403)
        if len(_told_headers(asked, (user_header,))) > 1:
            raise RefusedError(f"{user_header} stands there twice", reason="forged", status=403)
        if not users:
            raise RefusedError("the proxy names no user", reason="no_credential")
        return self._mapped(users[0])

    def _is_the_proxy(self, address: str | None, secrets: Sequence[str]) -> bool:
        if address is None or len(secrets) != 1:
            return False
        peer = ip_address(address.partition("%")[0])
        peer = getattr(peer, "ipv4_mapped", None) or peer
        if not any(peer in network for network in self._networks):
            return False
        try:
            expected = read_secret(self._secret_file)
        except ConfigError as error:
            raise SourceError(str(error), reason="secret") from error
        return hmac.compare_digest(secrets[0].encode(errors="replace"), expected.encode())

    def _mapped(self, told: str) -> str:
        suffix = self._settings.user_suffix or ""
        name = told.removesuffix(suffix)
        if not told.endswith(suffix) or not is_user_name(name) or not self._users.is_user(name):
            message = "the proxy's user is none of this cluster"
            raise RefusedError(message, reason="unknown_user", status=403)
        return name


def read_secret(path: Path) -> str:
    """The proxy's secret; ConfigError where the file cannot be used."""
    try:
        status, secret = path.stat(), path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", path=path, key="access.proxy.secret_file") from error
    problem = mode_problem(status.st_mode, status.st_uid, os.geteuid())
    if problem is None and len(secret) < LEAST_SECRET_CHARACTERS:
        problem = f"the secret has {len(secret)} characters: write {LEAST_SECRET_CHARACTERS} at least"
    if problem is not None:
        raise ConfigError(problem, path=path, key="access.proxy.secret_file")
    return secret


def is_user_name(name: str) -> bool:
    """Whether this could be a Unix name at all; everything else is not even looked up."""
    return 0 < len(name) <= _LONGEST_NAME and name.isprintable() and not set(name) & set("/:, \"'\\") and name[0] != "-"


def _credential(asked: ReaderRequest) -> str | None:
    for value in asked.all_of("authorization"):
        scheme, _, secret = value.partition(" ")
        if scheme.lower() == _MUNGE_SCHEME:
            return secret.strip()
    return None


def _told_headers(asked: ReaderRequest, names: Collection[str]) -> list[str]:
    """The headers of these names, or that some proxy would take for them."""
    wanted = {name.lower() for name in names}
    return [name for name, _ in asked.headers if name.lower().replace("_", "-") in wanted]
