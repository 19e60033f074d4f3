"""How somebody proves who he is, and each way in which he does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from slurmlens.config.access import AccessConfig, ProxyConfig
from slurmlens.errors import ConfigError, RefusedError
from slurmlens.hub.access.authenticating import ReaderAuthenticator, ReaderRequest, read_secret
from slurmlens.hub.access.rules import KEPT_S
from slurmlens.hub.access.tokens import LoginTokens
from slurmlens.hub.access.viewer import Person, Role, Way
from slurmlens.runtime import munge
from slurmlens.runtime.munge import Credential
from slurmlens.runtime.request_proof import payload
from testkit.access_people import UIDS, MadeUsers, make_rules
from testkit.hub_history import History
from testkit.private_munged import Munged, missing, private_munged

SECRET = "a secret of the proxy"
ASKED = ReaderRequest(method="GET", target="/jobs/41.json", headers=(), address="10.0.0.9")
needs_munged = pytest.mark.skipif(missing() is not None, reason=str(missing()))


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def munged() -> Iterator[Munged]:
    with private_munged() as running:
        yield running


def opened(credential: bytes) -> Credential:
    """A credential as `UID PAYLOAD`, believed; munged itself is asked where it matters."""
    uid, _, held = credential.partition(b" ")
    return Credential(payload=held, uid=int(uid), gid=0, origin="10.0.0.9", encoded_s=0, decoded_s=0)


def authenticator(history: History, proxy: ProxyConfig | None = None) -> ReaderAuthenticator:
    settings = AccessConfig(proxy=proxy)
    return ReaderAuthenticator(settings, LoginTokens(history.store, settings, history.clock), MadeUsers(), opened)


def asked(*headers: tuple[str, str], **changes: object) -> ReaderRequest:
    return msgspec.structs.replace(ASKED, headers=headers, **changes)


async def refusal(authenticator: ReaderAuthenticator, request: ReaderRequest) -> tuple[str, int]:
    with pytest.raises(RefusedError) as caught:
        await authenticator.person(request)
    return caught.value.reason, caught.value.status


def credential_of(name: str, method: str = "GET", target: str = "/jobs/41.json") -> tuple[str, str]:
    return "Authorization", f"MUNGE {UIDS[name]} {payload(method, target).decode()}"


async def test_a_credential_speaks_for_its_user_and_this_request_alone(history: History) -> None:
    proves = authenticator(history)
    assert await proves.person(asked(credential_of("alice"))) == Person("alice", Way.MUNGE)
    for method, target in (("POST", "/jobs/41.json"), ("GET", "/jobs/42.json"), ("GET", "/jobs/41.json?x")):
        assert await refusal(proves, asked(credential_of("alice", method, target))) == ("payload", 401)
    events = ("Authorization", f"MUNGE {UIDS['alice']} slurmlens-events-1\nn1\n{'0' * 64}")
    assert await refusal(proves, asked(events)) == ("payload", 401)


async def test_a_user_whom_this_machine_does_not_know_is_told_so(history: History) -> None:
    header = ("Authorization", f"MUNGE 999 {payload('GET', '/jobs/41.json').decode()}")
    assert await refusal(authenticator(history), asked(header)) == ("unknown_user", 403)


@needs_munged
async def test_a_replayed_credential_proves_nothing_the_second_time(history: History, munged: Munged) -> None:
    settings, users = AccessConfig(), MadeUsers()
    users.uids["me"] = 0
    del users.uids["root"]
    tokens = LoginTokens(history.store, settings, history.clock)
    proves = ReaderAuthenticator(settings, tokens, users, lambda text: munge.decode(text, socket_path=munged.socket))
    made = munge.encode(payload(ASKED.method, ASKED.target), socket_path=munged.socket).decode()
    request = asked(("Authorization", f"MUNGE {made}"))
    assert await proves.person(request) == Person("me", Way.MUNGE)
    assert await refusal(proves, request) == ("replayed", 401)
    assert (await refusal(proves, asked(("Authorization", "MUNGE nonsense"))))[0] == "invalid"


async def test_on_the_socket_the_kernel_says_who_asks(history: History) -> None:
    proves = authenticator(history)
    assert await proves.person(asked(address=None, uid=UIDS["bob"])) == Person("bob", Way.SOCKET)
    assert await refusal(proves, asked(address=None, uid=999)) == ("unknown_user", 403)


async def test_nobody_is_somebody_without_proof(history: History) -> None:
    proves = authenticator(history)
    assert await refusal(proves, asked()) == ("no_credential", 401)
    assert await refusal(proves, asked(session="guessed")) == ("session", 401)
    assert await refusal(proves, asked(("Authorization", "Basic YWxpY2U6eA=="))) == ("no_credential", 401)


PROXY = {"addresses": ("10.0.0.9", "fd00::/64")}
FROM_PROXY = (("X-Slurmlens-Proxy-Secret", SECRET), ("X-Forwarded-User", "alice"))


async def test_the_proxy_is_believed_by_its_address_and_its_secret(history: History, secret_file: Path) -> None:
    proves = authenticator(history, ProxyConfig(secret_file=secret_file, **PROXY))
    for address in ("10.0.0.9", "::ffff:10.0.0.9", "fd00::7"):
        assert await proves.person(asked(*FROM_PROXY, address=address)) == Person("alice", Way.PROXY)


FORGED = {
    "another address": asked(*FROM_PROXY, address="10.0.0.8"),
    "the Unix socket": asked(*FROM_PROXY, address=None, uid=3001),
    "no secret": asked(FROM_PROXY[1]),
    "another secret": asked(("X-Slurmlens-Proxy-Secret", SECRET[:-1]), FROM_PROXY[1]),
    "an empty secret": asked(("X-Slurmlens-Proxy-Secret", ""), FROM_PROXY[1]),
    "two secrets": asked(FROM_PROXY[0], *FROM_PROXY),
    "two users": asked(*FROM_PROXY, ("x-forwarded-user", "olga")),
    "a twin with underscores": asked(*FROM_PROXY, ("X_Forwarded_User", "olga")),
    "the twin alone": asked(("X_Forwarded-User", "olga")),
    "beside a good credential": asked(credential_of("alice"), FROM_PROXY[1]),
}


@pytest.mark.parametrize("how", FORGED)
async def test_a_forged_header_is_refused_whatever_else_is_proved(
    history: History, secret_file: Path, how: str
) -> None:
    proves = authenticator(history, ProxyConfig(secret_file=secret_file, **PROXY))
    assert await refusal(proves, FORGED[how]) == ("forged", 403)


async def test_without_a_proxy_nobody_may_name_a_user(history: History) -> None:
    assert (await refusal(authenticator(history), asked(*FROM_PROXY)))[0] == "forged"


@pytest.mark.parametrize("name", ["root", "nobody-here", "a/b", "alice:x", "", " alice", "-x", "alic\udcff", "o'x\""])
async def test_the_proxy_names_users_of_this_cluster_and_never_root(
    history: History, secret_file: Path, name: str
) -> None:
    proves = authenticator(history, ProxyConfig(secret_file=secret_file, **PROXY))
    assert await refusal(proves, asked(FROM_PROXY[0], ("X-Forwarded-User", name))) == ("unknown_user", 403)


async def test_two_realms_are_not_one_user(history: History, secret_file: Path) -> None:
    proxy = ProxyConfig(secret_file=secret_file, user_suffix="@a.example", **PROXY)
    proves = authenticator(history, proxy)
    told = {"alice@a.example": None, "alice@b.example": "unknown_user", "alice": "unknown_user"}
    for name, reason in told.items():
        request = asked(FROM_PROXY[0], ("X-Forwarded-User", name))
        if reason is None:
            assert await proves.person(request) == Person("alice", Way.PROXY)
        else:
            assert (await refusal(proves, request))[0] == reason


@pytest.mark.parametrize(("text", "mode", "said"), [("short", 0o600, "characters"), (SECRET, 0o644, "others may")])
def test_a_secret_that_is_none_is_a_setting_to_mend(secret_file: Path, text: str, mode: int, said: str) -> None:
    secret_file.write_text(text)
    secret_file.chmod(mode)
    with pytest.raises(ConfigError, match=said):
        read_secret(secret_file)


async def test_a_session_says_who_somebody_is_and_the_rules_what_he_may_see_now(history: History) -> None:
    users = MadeUsers()
    settings = AccessConfig()
    tokens = LoginTokens(history.store, settings, history.clock)
    proves = ReaderAuthenticator(settings, tokens, users, opened)
    session = await tokens.use_link(await tokens.make_link("olga"))
    rules = await make_rules(history, users)

    async def viewer() -> frozenset[Role]:
        person = await proves.person(asked(session=session))
        assert person == Person("olga", Way.SESSION)
        return (await rules.viewer(person.name)).roles

    assert Role.OPERATOR in await viewer()
    users.groups.clear()
    history.clock.advance(KEPT_S + 1)
    assert await viewer() == {Role.USER}
