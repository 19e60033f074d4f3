"""What `slurmlens validate` says of TLS towards the hub and at a port, and when OpenSSL is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmlens.cli.main import main as slurmlens
from slurmlens.config.sinks import HubSinkConfig, SinksConfig
from slurmlens.config.tls import ListenSettings

FILE = Path("/etc/slurmlens/some.pem")


def complaints(settings: HubSinkConfig | ListenSettings) -> dict[str, str]:
    return dict(settings.problems())


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://hub.example.org:6830", ("hub.example.org", 6830)),
        ("https://[fe80::1]:1/", ("fe80::1", 1)),
        ("http://hub:6830", ("hub", 6830)),
    ],
)
def test_the_url_says_where_and_whether_by_tls(url: str, address: tuple[str, int]) -> None:
    config = HubSinkConfig(url=url)
    assert (config.address, config.expected_name) == (address, address[0])
    assert config.needs_openssl == SinksConfig(hub=config).needs_openssl == url.startswith("https")


def test_files_of_tls_without_tls_are_a_mistake() -> None:
    for key in ("ca_file", "server_name"):
        assert complaints(HubSinkConfig(**{key: FILE})) == {  # type: ignore[arg-type]
            key: "is for TLS: write https:// in url, or remove it"
        }
    assert complaints(ListenSettings(client_ca_file=FILE)) == {
        "client_ca_file": "is for TLS: name certificate_file and key_file too, or remove it"
    }


def test_a_certificate_without_its_key_is_a_mistake_and_the_other_way_round() -> None:
    assert set(complaints(ListenSettings(certificate_file=FILE))) == {"certificate_file"}
    assert set(complaints(ListenSettings(key_file=FILE))) == {"key_file"}
    assert set(complaints(HubSinkConfig(url="https://hub:1", key_file=FILE))) == {"key_file"}
    assert complaints(HubSinkConfig(url="https://hub:1", key_file=FILE, certificate_file=FILE)) == {}


@pytest.mark.parametrize(
    ("url", "is_told"), [("http://hub:6830", True), ("https://hub:6830", False), ("http://127.0.0.1:6830", False)]
)
def test_a_token_that_would_go_over_the_network_in_clear_is_remarked_upon(
    url: str, is_told: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "node.toml"
    path.write_text(f'[sinks.hub]\nurl = "{url}"\nauth = "token"\ntoken_file = "/etc/slurmlens/token"\n')
    assert slurmlens(["validate", str(path)]) == 0
    assert ("gets its token: write https://" in capsys.readouterr().out) == is_told
