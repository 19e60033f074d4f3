"""What `slurmlens validate` says of the table [sinks.kafka]."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from slurmlens.config import kafka
from slurmlens.config.kafka import KafkaSinkConfig


def complaints(**settings: object) -> dict[str, str]:
    return dict(KafkaSinkConfig(**settings).problems())  # type: ignore[arg-type]


def test_the_defaults_are_fine_and_need_no_openssl() -> None:
    assert complaints() == {}
    assert not KafkaSinkConfig().needs_openssl


@pytest.mark.parametrize("broker", ["kafka", "kafka:", ":9092", "kafka:0", "kafka:65536", "kafka:٣", " a:1", "[]:1"])
def test_a_broker_without_host_and_port_is_named(broker: str) -> None:
    assert complaints(bootstrap=("ok:9092", broker)) == {"bootstrap": f"{broker!r} is no HOST:PORT"}


def test_brokers_are_read_as_hosts_and_ports() -> None:
    config = KafkaSinkConfig(bootstrap=("k1:9092", "10.0.0.1:9093", "[fe80::1]:9094"))
    assert config.brokers == (("k1", 9092), ("10.0.0.1", 9093), ("fe80::1", 9094))


def test_no_broker_at_all_is_told() -> None:
    assert complaints(bootstrap=()) == {"bootstrap": "name at least one broker as HOST:PORT"}


def test_a_package_that_is_not_here_is_named_with_what_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kafka.find_spec is importlib.util.find_spec
    monkeypatch.setattr(kafka, "find_spec", lambda name: None)
    assert complaints(compression="zstd") == {
        "topic": "Kafka needs the package aiokafka, which is not here: pip install 'slurmlens[kafka]'",
        "compression": "zstd needs the package cramjam, which is not here: pip install 'slurmlens[kafka-codecs]',"
        " or take gzip",
    }


def test_a_login_needs_user_and_password_and_these_need_a_login() -> None:
    assert complaints(sasl_mechanism="PLAIN") == {
        "sasl_user": 'sasl_mechanism = "PLAIN" needs it',
        "sasl_password_file": 'sasl_mechanism = "PLAIN" needs it',
    }
    assert complaints(sasl_user="slurmlens") == {"sasl_user": "is for logging in: set sasl_mechanism, or remove it"}


def test_files_of_tls_without_tls_are_told() -> None:
    assert "ca_file" in complaints(ca_file=Path("/etc/ca.pem"))


@pytest.mark.parametrize(
    ("settings", "needed"),
    [({"tls": True}, True), ({"sasl_mechanism": "SCRAM-SHA-512"}, True), ({"sasl_mechanism": "PLAIN"}, False)],
)
def test_openssl_is_needed_for_tls_and_for_the_hashes_of_scram(settings: dict[str, object], needed: bool) -> None:
    assert KafkaSinkConfig(**settings).needs_openssl is needed  # type: ignore[arg-type]
