"""Who may send events: MUNGE by a real munged, tokens by a real file, origins by the scheduler's addresses."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurmlens.config.auth import AuthConfig
from slurmlens.errors import ConfigError, RefusedError, SourceError
from slurmlens.hub.intake.origins import NodeOrigins
from slurmlens.hub.news import News
from slurmlens.runtime import munge
from slurmlens.runtime.authentication import Authenticator, TokenFile, allowed_uids, mode_problem
from slurmlens.slurm.records import NodeRecord
from testkit.manual_clock import ManualClock
from testkit.private_munged import Munged, missing, private_munged

BODY = b'{"an": "event"}\n'
TOKEN = "0123456789abcdef0123"


def payload(node: str = "n1", body: bytes = BODY) -> bytes:
    return f"slurmlens-events-1\n{node}\n{hashlib.sha256(body).hexdigest()}".encode()


def credential(text: bytes = b"...", *, uid: int = 0, origin: str = "10.0.0.1") -> munge.Credential:
    return munge.Credential(payload=text, uid=uid, gid=0, origin=origin, encoded_s=0, decoded_s=0)


def origins(clock: ManualClock, *records: NodeRecord) -> NodeOrigins:
    async def resolve(name: str) -> frozenset[str]:
        return frozenset({"10.0.0.1"} if name == "host1" else ())

    made = NodeOrigins(News(), clock, resolve, own=frozenset({"127.0.0.1", "192.168.7.7"}))
    made.replace(records)
    return made


def headers(node: str = "n1", authorization: str = "Munge MUNGE:x:") -> dict[str, str]:
    return {"x-slurmlens-node": node, "authorization": authorization}


def authenticator(
    clock: ManualClock, proved: munge.Credential, *, records: tuple[NodeRecord, ...] | None = None
) -> Authenticator:
    known = (NodeRecord(name="n1", address="10.0.0.1"),) if records is None else records
    return Authenticator(AuthConfig(allowed_users=("root", "1234")), origins(clock, *known), lambda _: proved)


async def refusal(made: Authenticator, told: dict[str, str], body: bytes = BODY) -> tuple[str, int]:
    with pytest.raises(RefusedError) as refused:
        await made.node_of(told, body)
    return refused.value.reason, refused.value.status


async def test_a_fresh_credential_of_root_from_the_nodes_address_is_taken(clock: ManualClock) -> None:
    for uid in (0, 1234):
        assert await authenticator(clock, credential(payload(), uid=uid)).node_of(headers(), BODY) == "n1"


async def test_a_credential_for_another_body_or_node_is_refused(clock: ManualClock) -> None:
    for told in (payload(body=b"other"), payload(node="n2"), b"", payload()[:-1]):
        assert await refusal(authenticator(clock, credential(told)), headers()) == ("payload", 401)


async def test_another_users_credential_is_refused(clock: ManualClock) -> None:
    assert await refusal(authenticator(clock, credential(payload(), uid=1000)), headers()) == ("user", 403)


async def test_a_credential_made_on_another_host_is_refused(clock: ManualClock) -> None:
    made = authenticator(clock, credential(payload(), origin="10.0.0.9"))
    assert await refusal(made, headers()) == ("origin", 403)


async def test_a_node_that_the_scheduler_does_not_know_is_refused(clock: ManualClock) -> None:
    made = authenticator(clock, credential(payload("n9")))
    assert await refusal(made, headers("n9")) == ("unknown_node", 403)


async def test_before_the_scheduler_told_its_nodes_nobody_is_refused_for_ever(clock: ManualClock) -> None:
    made = authenticator(clock, credential(payload()), records=())
    with pytest.raises(SourceError, match="try again"):
        await made.node_of(headers(), BODY)


async def test_a_node_is_known_by_the_address_of_its_host_name_too(clock: ManualClock) -> None:
    made = authenticator(clock, credential(payload()), records=(NodeRecord(name="n1", host_name="host1"),))
    assert await made.node_of(headers(), BODY) == "n1"


async def test_nodes_of_this_very_host_may_speak_from_any_of_its_addresses(clock: ManualClock) -> None:
    records = (NodeRecord(name="n1", address="127.0.0.1"),)
    for origin in ("127.0.1.1", "192.168.7.7"):
        made = authenticator(clock, credential(payload(), origin=origin), records=records)
        assert await made.node_of(headers(), BODY) == "n1"
    elsewhere = authenticator(clock, credential(payload(), origin="10.0.0.1"), records=records)
    assert await refusal(elsewhere, headers()) == ("origin", 403)


@pytest.mark.parametrize("told", [{}, {"x-slurmlens-node": "n1"}, headers(authorization="Basic abc"), headers("n\n1")])
async def test_who_brings_no_proof_is_told_what_to_bring(clock: ManualClock, told: dict[str, str]) -> None:
    reason, status = await refusal(authenticator(clock, credential(payload())), told)
    assert (reason in ("no_node", "no_credential"), status) == (True, 401)


async def test_a_name_server_that_is_down_for_a_moment_is_asked_again(clock: ManualClock) -> None:
    answers = [frozenset[str](), frozenset({"10.0.0.1"})]

    async def resolve(name: str) -> frozenset[str]:
        return answers.pop(0)

    made = NodeOrigins(News(), clock, resolve, own=frozenset())
    made.replace([NodeRecord(name="n1", address="host1")])
    assert await made.is_of_node("10.0.0.1", "n1") is False
    assert await made.is_of_node("10.0.0.1", "n1") is True
    assert await made.is_of_node("10.0.0.1", "n1") is True  # and now it is remembered: there is no third answer


async def test_a_relay_is_known_by_its_host_name_and_need_not_be_a_node(clock: ManualClock) -> None:
    async def resolve(name: str) -> frozenset[str]:
        return frozenset({"10.0.0.7"} if name == "relay1" else ())

    made = NodeOrigins(News(), clock, resolve, own=frozenset(), relays=("relay1",))
    made.replace([NodeRecord(name="n1", address="10.0.0.1")])
    assert await made.is_of_node("10.0.0.7", "relay1") is True
    assert await made.is_of_node("10.0.0.1", "relay1") is False
    assert await made.is_of_node("10.0.0.7", "relay2") is None


# --- a real munged


@pytest.fixture(scope="module")
def munged() -> Iterator[Munged]:
    if reason := missing():
        pytest.skip(reason)
    with private_munged() as running:
        yield running


def real(munged: Munged, clock: ManualClock, *, users: tuple[str, ...] = ("root",)) -> Authenticator:
    settings = AuthConfig(munge_socket=munged.socket, allowed_users=users, check_origin=False)
    return Authenticator(settings, origins(clock))


def sealed(munged: Munged, text: bytes) -> str:
    return "Munge " + munge.encode(text, socket_path=munged.socket).decode()


async def test_a_real_credential_is_taken_once(munged: Munged, clock: ManualClock) -> None:
    made, told = real(munged, clock), headers(authorization=sealed(munged, payload()))
    assert await made.node_of(told, BODY) == "n1"
    assert await refusal(made, told) == ("replayed", 401)


async def test_a_forged_credential_is_refused(munged: Munged, clock: ManualClock) -> None:
    made, good = real(munged, clock), sealed(munged, payload())
    for forged in (good[:-20] + "A" * 10 + good[-10:], "Munge nonsense", "Munge ", "Munge MUNGE:\udcff:"):
        assert await refusal(made, headers(authorization=forged)) == ("invalid", 401)


async def test_a_real_credential_of_another_user_is_refused(munged: Munged, clock: ManualClock) -> None:
    made = real(munged, clock, users=("nobody",))
    assert os.geteuid() == 0
    assert await refusal(made, headers(authorization=sealed(munged, payload()))) == ("user", 403)


async def test_a_munged_that_is_gone_refuses_nobody_for_ever(clock: ManualClock, tmp_path: Path) -> None:
    settings = AuthConfig(munge_socket=tmp_path / "none", check_origin=False)
    with pytest.raises(SourceError, match="munged"):
        await Authenticator(settings, origins(clock)).node_of(headers(authorization="Munge MUNGE:AwQ:"), BODY)


# --- tokens


def token_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "tokens"
    path.write_text(text)
    path.chmod(mode)
    return path


def by_token(path: Path, clock: ManualClock) -> Authenticator:
    return Authenticator(AuthConfig(munge=False, token_file=path), origins(clock))


async def test_a_token_speaks_for_its_node_alone(tmp_path: Path, clock: ManualClock) -> None:
    made = by_token(token_file(tmp_path, f"# nodes\nn1 {TOKEN}\n* {TOKEN}any\n"), clock)
    assert await made.node_of(headers(authorization=f"Bearer {TOKEN}"), BODY) == "n1"
    assert await made.node_of(headers("n5", f"Bearer {TOKEN}any"), BODY) == "n5"
    assert await refusal(made, headers("n2", f"Bearer {TOKEN}")) == ("token_node", 403)
    assert await refusal(made, headers(authorization="Bearer wrong")) == ("token", 401)
    assert await refusal(made, headers(authorization="Bearer \udcff")) == ("token", 401)
    assert await refusal(made, headers()) == ("no_credential", 401)


async def test_a_token_that_is_taken_out_of_the_file_is_refused_from_then_on(
    tmp_path: Path, clock: ManualClock
) -> None:
    path = token_file(tmp_path, f"n1 {TOKEN}\n")
    made = by_token(path, clock)
    token_file(tmp_path, f"n1 {TOKEN}new\n")
    assert await refusal(made, headers(authorization=f"Bearer {TOKEN}")) == ("token", 401)
    path.unlink()
    with pytest.raises(SourceError, match="token file"):
        await made.node_of(headers(authorization=f"Bearer {TOKEN}new"), BODY)


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("n1 short\n", 0o600, ":1: a line is NODE TOKEN"),
        (f"\nn1 {TOKEN} more\n", 0o600, ":2: a line is NODE TOKEN"),
        (f"n1 {TOKEN}\n", 0o644, "others may read it"),
    ],
)
def test_a_token_file_of_no_use_is_a_setting_to_mend(tmp_path: Path, text: str, mode: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        TokenFile(token_file(tmp_path, text, mode))


def test_a_missing_token_file_is_a_setting_to_mend(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        TokenFile(tmp_path / "none")


def test_users_are_given_by_name_or_number_and_unknown_ones_prove_nothing() -> None:
    assert allowed_uids(("root", "4711", "no-such-user")) == {0, 4711}


def test_a_group_may_read_tokens_only_where_the_reader_needs_it() -> None:
    """root:slurmlens-hub 0640 is how it is installed: the reader is in the group and owns nothing."""
    assert mode_problem(0o640, owner_uid=0, reader_uid=990) is None
    assert mode_problem(0o600, owner_uid=990, reader_uid=990) is None
    assert mode_problem(0o640, owner_uid=0, reader_uid=0) is None
    assert "chmod g=" in str(mode_problem(0o640, owner_uid=990, reader_uid=990))
    assert "write" in str(mode_problem(0o660, owner_uid=0, reader_uid=990))
    assert "others" in str(mode_problem(0o604, owner_uid=0, reader_uid=990))


def test_one_token_for_two_nodes_is_refused_and_two_for_one_node_are_not(tmp_path: Path) -> None:
    TokenFile(token_file(tmp_path, f"n1 {TOKEN}\nn1 {TOKEN}2\n"))
    with pytest.raises(ConfigError, match=r"tokens:3: \* has the token of n1 \(line 1\)"):
        TokenFile(token_file(tmp_path, f"n1 {TOKEN}\n\n* {TOKEN}\n"))
