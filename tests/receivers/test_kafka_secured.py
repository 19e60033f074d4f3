"""The Kafka sink over TLS, with a client's certificate, and with a login; and what it says where it is not let in."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from slurmlens.clock import SystemClock
from slurmlens.config.kafka import KafkaSinkConfig
from slurmlens.delivery.sinks.kafka import KafkaSink
from slurmlens.errors import DeliveryError
from slurmlens.runtime.endpoint import FixedEndpoint
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire import ecs
from testkit.certificates import Authority, Identity
from testkit.components import private
from testkit.event_samples import one_of_each
from testkit.kafka_log import ids, make_topic, read_all
from testkit.secured_kafka import PASSWORD, USER, SecuredKafka

START = one_of_each()[0]


class Site:
    """The broker and the files that open its doors, or do not."""

    def __init__(self, broker: SecuredKafka, authority: Authority, client: Identity, folder: Path) -> None:
        self.broker, self.authority, self.client = broker, authority, client
        self.password, self.wrong_password = folder / "password", folder / "wrong"
        for path, text in ((self.password, PASSWORD), (self.wrong_password, "wrong")):
            path.write_text(text + "\n")
            path.chmod(0o600)

    def login(self, mechanism: str, password: Path) -> dict[str, Any]:
        return {"sasl_mechanism": mechanism, "sasl_user": USER, "sasl_password_file": password}

    @asynccontextmanager
    async def sink(self, port: int, topic: str, **settings: Any) -> AsyncIterator[KafkaSink]:
        clock = SystemClock()
        config = KafkaSinkConfig(topic=topic, tls=True, timeout_s=5, **settings)
        assert list(config.problems()) == []
        reporter = Reporter(Counters(), clock, logging.getLogger("slurmlens.test"))
        sink = KafkaSink(config, FixedEndpoint("localhost", port), reporter, clock)
        try:
            yield sink
        finally:
            await sink.aclose()

    async def arrives(self, port: int, topic: str, **settings: Any) -> None:
        await make_topic(self.broker.bootstrap, topic)
        async with self.sink(port, topic, **settings) as sink:
            assert await sink.deliver(ecs.encode(START) + b"\n", 1) == 1
        assert ids(await read_all(self.broker.bootstrap, topic)) == [START.id]

    async def refusal(self, port: int, **settings: Any) -> DeliveryError:
        async with self.sink(port, "nowhere", **settings) as sink:
            with pytest.raises(DeliveryError) as told:
                await sink.deliver(ecs.encode(START) + b"\n", 1)
        assert told.value.retriable
        return told.value


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("kafka-tls")
    authority = Authority(folder)
    identity = authority.issue("broker")
    with private(lambda sandbox: SecuredKafka(sandbox, identity, authority)) as broker:
        yield Site(broker, authority, authority.issue("client"), folder)


async def test_an_event_arrives_over_tls_with_a_certificate_of_ours(site: Site) -> None:
    files = {"certificate_file": site.client.certificate, "key_file": site.client.key}
    await site.arrives(site.broker.tls_port, "tls", ca_file=site.authority.certificate, **files)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_an_event_arrives_after_a_login(site: Site, mechanism: str) -> None:
    login = site.login(mechanism, site.password)
    await site.arrives(site.broker.login_port, f"login-{mechanism}", ca_file=site.authority.certificate, **login)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_a_wrong_password_is_told_as_such(site: Site, mechanism: str) -> None:
    login = site.login(mechanism, site.wrong_password)
    error = await site.refusal(site.broker.login_port, ca_file=site.authority.certificate, **login)
    assert error.reason == "authentication"
    assert "Authentication failed" in str(error)


async def test_a_way_to_log_in_that_the_broker_has_not_is_told(site: Site) -> None:
    login = site.login("SCRAM-SHA-256", site.password)
    error = await site.refusal(site.broker.login_port, ca_file=site.authority.certificate, **login)
    assert error.reason == "authentication"


async def test_a_broker_whose_certificate_a_stranger_signed_gets_nothing(site: Site, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger")
    error = await site.refusal(site.broker.login_port, ca_file=stranger.certificate)
    assert error.reason == "tls"
    assert "certificate verify failed" in str(error)


async def test_without_a_certificate_the_broker_that_wants_one_takes_nothing(site: Site) -> None:
    await site.refusal(site.broker.tls_port, ca_file=site.authority.certificate)


async def test_certificates_that_are_renewed_are_read_anew(site: Site, tmp_path: Path) -> None:
    missing = tmp_path / "later.pem"
    await make_topic(site.broker.bootstrap, "renewed")
    login = site.login("PLAIN", site.password)
    async with site.sink(site.broker.login_port, "renewed", ca_file=missing, **login) as sink:
        with pytest.raises(DeliveryError, match=r"later\.pem: No such file"):
            await sink.deliver(ecs.encode(START) + b"\n", 1)
        missing.write_bytes(site.authority.certificate.read_bytes())
        assert await sink.deliver(ecs.encode(START) + b"\n", 1) == 1
