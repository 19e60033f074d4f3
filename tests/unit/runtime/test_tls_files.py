"""What a port shows: files that are renewed are taken up, and files of no use never replace those that are."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
from pathlib import Path

import pytest

from slurmlens.config.tls import ListenSettings
from slurmlens.errors import ConfigError
from slurmlens.runtime import tls
from slurmlens.runtime.tls import ServerTls
from slurmlens.runtime.tls_session import text_of
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.certificates import Authority, Identity, locked
from testkit.manual_clock import ManualClock
from testkit.scripted_server import LineServer, serving
from testkit.waiting import until


class Port:
    """The files of one port, and who is let in by them."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.files = Identity(folder / "server.pem", folder / "server.key")
        self.install(self.authority.issue("first"))
        self.settings = ListenSettings(certificate_file=self.files.certificate, key_file=self.files.key)

    def install(self, identity: Identity) -> None:
        """As a renewal does: new files under the old names."""
        for source, target in ((identity.certificate, self.files.certificate), (identity.key, self.files.key)):
            replace(source, target)

    async def shown(self, port: int) -> str:
        """The name in the certificate that a new connection is shown."""
        trusting = ssl.create_default_context(cafile=self.authority.certificate)
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        [[(_, name)]] = writer.get_extra_info("peercert")["subject"]
        writer.transport.abort()
        return str(name)


def replace(source: Path, target: Path) -> None:
    shutil.copy(source, target.with_suffix(".new"))
    os.rename(target.with_suffix(".new"), target)


@pytest.fixture
def port(tmp_path: Path) -> Port:
    return Port(tmp_path)


async def test_new_connections_are_shown_a_renewed_certificate(port: Port) -> None:
    server = ServerTls(port.settings)
    async with serving(LineServer(), tls=server.context) as number:
        assert await port.shown(number) == "first"
        assert not server.refresh()
        port.install(port.authority.issue("second"))
        assert server.refresh()
        assert await port.shown(number) == "second"


async def test_a_renewal_that_is_half_done_is_told_once_and_the_former_goes_on(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, counters = ServerTls(port.settings), Counters()
    second = port.authority.issue("second")
    monkeypatch.setattr(tls, "LOOK_AGAIN_S", 0.01)
    async with serving(LineServer(), tls=server.context) as number:
        keeping = asyncio.create_task(server.keep_fresh(Reporter(counters, ManualClock())))
        replace(second.certificate, port.files.certificate)
        await until(counters.snapshot, "the half renewal is told")
        assert await port.shown(number) == "first"
        assert counters.snapshot() == {"certificate_not_renewed_total": 1}
        replace(second.key, port.files.key)
        await until(lambda: len(counters.snapshot()) == 2, "the renewal is told")
        assert await port.shown(number) == "second"
        keeping.cancel()
    assert counters.snapshot() == {"certificate_not_renewed_total": 1, "certificate_renewed_total": 1}


def test_files_that_cannot_be_used_are_named(port: Port, tmp_path: Path) -> None:
    (tmp_path / "garbage").write_text("garbage")
    good, other = port.files, port.authority.issue("other")
    for certificate, key, said in (
        (tmp_path / "none", good.key, "listen.certificate_file: .*none: No such file"),
        (tmp_path / "garbage", good.key, "listen.certificate_file: .*garbage holds no certificate in PEM"),
        (good.certificate, tmp_path / "garbage", "listen.key_file: .*garbage holds no private key in PEM"),
        (good.certificate, other.key, "listen.certificate_file: .*do not work together: key values mismatch"),
        (other.certificate, locked(other), "listen.key_file: .*has a passphrase"),
    ):
        with pytest.raises(ConfigError, match=said):
            ServerTls(ListenSettings(certificate_file=certificate, key_file=key))
    with pytest.raises(ConfigError, match=r"listen.client_ca_file: .*garbage holds no certificates in PEM"):
        ServerTls(
            ListenSettings(certificate_file=good.certificate, key_file=good.key, client_ca_file=tmp_path / "garbage")
        )


def test_a_certificate_of_tomorrow_makes_ask_for_the_clock() -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = 9, "certificate is not yet valid"
    assert text_of(error).endswith("certificate is not yet valid; is this machine's clock right?")
