"""Against a real munged: what a credential proves, and each way in which one proves nothing."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slurmlens.errors import RefusedError, SourceError
from slurmlens.runtime import munge
from testkit.private_munged import KEY, Munged, missing, private_munged

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))
needs_faketime = pytest.mark.skipif(missing(faketime=True) is not None, reason=str(missing(faketime=True)))

PAYLOAD = b"slurmlens-events-1\nn0\n" + b"0" * 64


@pytest.fixture(scope="module")
def munged() -> Iterator[Munged]:
    with private_munged() as running:
        yield running


def refusal(credential: bytes, munged: Munged) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        munge.decode(credential, socket_path=munged.socket)
    return caught.value


def test_a_credential_proves_its_payload_its_maker_and_where_and_when(munged: Munged) -> None:
    credential = munge.encode(PAYLOAD, socket_path=munged.socket)
    assert credential.startswith(b"MUNGE:")
    opened = munge.decode(credential, socket_path=munged.socket)
    assert (opened.payload, opened.uid, opened.gid) == (PAYLOAD, os.getuid(), os.getgid())
    assert opened.origin.count(".") == 3
    assert 0 <= opened.decoded_s - opened.encoded_s < 60


def test_another_user_s_credential_names_that_user(munged: Munged) -> None:
    made = subprocess.run(
        ["munge", "-S", munged.socket, "-s", "x"],
        user="nobody",
        group="nogroup",
        extra_groups=[],
        check=True,
        capture_output=True,
    )
    opened = munge.decode(made.stdout.strip(), socket_path=munged.socket)
    assert (opened.uid, opened.payload) == (65534, b"x")


def test_what_we_make_the_munge_program_accepts(munged: Munged) -> None:
    credential = munge.encode(PAYLOAD, socket_path=munged.socket)
    told = subprocess.run(["unmunge", "-S", munged.socket], input=credential, check=True, capture_output=True)
    assert told.stdout.endswith(PAYLOAD)
    assert b"Success (0)" in told.stdout


def test_an_empty_payload_and_one_with_nul_bytes_survive(munged: Munged) -> None:
    for payload in (b"", b"\0a\0"):
        assert (
            munge.decode(munge.encode(payload, socket_path=munged.socket), socket_path=munged.socket).payload == payload
        )


def test_a_credential_is_good_once(munged: Munged) -> None:
    credential = munge.encode(PAYLOAD, socket_path=munged.socket)
    munge.decode(credential, socket_path=munged.socket)
    assert refusal(credential, munged).reason == "replayed"


def test_a_credential_for_another_user_is_refused(munged: Munged) -> None:
    credential = munge.encode(PAYLOAD, socket_path=munged.socket, only_uid=65534)
    assert refusal(credential, munged).reason == "unauthorized"


@needs_faketime
def test_a_credential_made_two_hours_ago_is_expired(munged: Munged) -> None:
    with private_munged(clock_offset="-2h") as late:
        credential = munge.encode(PAYLOAD, socket_path=late.socket)
    assert refusal(credential, munged).reason == "expired"


@needs_faketime
def test_a_credential_from_the_future_is_refused(munged: Munged) -> None:
    with private_munged(clock_offset="+2h") as early:
        credential = munge.encode(PAYLOAD, socket_path=early.socket)
    assert refusal(credential, munged).reason == "rewound"


def test_a_credential_of_another_cluster_s_key_is_refused(munged: Munged) -> None:
    with private_munged(key=KEY[::-1]) as foreign:
        credential = munge.encode(PAYLOAD, socket_path=foreign.socket)
    assert refusal(credential, munged).reason == "invalid"


def test_every_changed_bit_of_a_credential_is_noticed(munged: Munged) -> None:
    credential = munge.encode(PAYLOAD, socket_path=munged.socket)
    body = base64.b64decode(credential[6:-1])
    for place in range(0, len(body), 7):
        changed = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        assert refusal(b"MUNGE:" + base64.b64encode(changed) + b":", munged).reason == "invalid"
    assert munge.decode(credential, socket_path=munged.socket).payload == PAYLOAD


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_at_all_pass_for_a_credential(munged: Munged, noise: bytes, dressed: bool) -> None:
    credential = b"MUNGE:" + base64.b64encode(noise) + b":" if dressed else noise
    assert refusal(credential, munged).reason == "invalid"


def test_refused_credentials_leave_no_memory_behind(munged: Munged) -> None:
    credential = munge.encode(bytes(500_000), socket_path=munged.socket)
    munge.decode(credential, socket_path=munged.socket)
    before = resident_bytes()
    for _ in range(100):
        assert refusal(credential, munged).reason == "replayed"
    assert resident_bytes() - before < 20_000_000


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_without_munged_nothing_is_known_and_that_is_what_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="munged could not be asked"):
        munge.encode(PAYLOAD, socket_path=tmp_path / "absent")
    with pytest.raises(SourceError, match="munged could not be asked"):
        munge.decode(b"MUNGE:AAAA:", socket_path=tmp_path / "absent")


def test_without_the_library_the_message_names_package_and_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(munge, "LIBRARY", "libmunge-absent.so.2")
    munge._load.cache_clear()
    try:
        with pytest.raises(SourceError, match=r"libmunge-absent.*or set auth to a token file"):
            munge.encode(PAYLOAD)
    finally:
        munge._load.cache_clear()


def test_importing_the_module_loads_neither_cffi_nor_the_library() -> None:
    code = (
        "import sys, slurmlens.runtime.munge\n"
        "print([name for name in ('cffi', '_cffi_backend', 'pycparser') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


def test_the_generated_binding_is_the_one_that_its_declarations_make(tmp_path: Path) -> None:
    root = Path(munge.__file__).parents[3]
    made = tmp_path / "_munge_abi.py"
    subprocess.run([sys.executable, root / "cext" / "build_munge.py", made], check=True, capture_output=True)
    assert made.read_text() == (root / "daemon/slurmlens/runtime/_munge_abi.py").read_text()
