"""A browser cannot be made to read a hub by a stranger's page; nodes and people who call it by its name can."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.config.hub import HubListenConfig
from slurmlens.errors import PageError
from slurmlens.hub.web.host_check import check_host, check_origin, host_name
from testkit.job_hub import make_gallery_app

LOOPBACK = HubListenConfig()
NAMED = HubListenConfig(names=("Hub.Example.org",))
NETWORK = HubListenConfig(host="0.0.0.0")
NETWORK_NAMED = HubListenConfig(host="0.0.0.0", names=("hub.example.org",))


def is_answered(listen: HubListenConfig, host: str) -> bool:
    try:
        check_host(listen, host)
    except PageError:
        return False
    return True


@pytest.mark.parametrize("host", ["localhost:6830", "127.0.0.1:6830", "[::1]:6830", "LOCALHOST", "localhost."])
def test_a_hub_on_loopback_answers_for_loopback(host: str) -> None:
    assert is_answered(LOOPBACK, host)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:6830", "localhost.evil.example", "10.0.0.1", "", "[::", "@localhost.evil"]
)
def test_a_hub_on_loopback_answers_for_no_other_name(host: str) -> None:
    assert not is_answered(LOOPBACK, host)


def test_a_configured_name_is_answered_and_no_other() -> None:
    assert is_answered(NAMED, "hub.example.org:443")
    assert not is_answered(NAMED, "hub.example.org.evil")


def test_a_hub_on_the_network_answers_for_its_addresses_and_for_its_names_where_it_has_some() -> None:
    assert is_answered(NETWORK, "any.name")
    assert is_answered(NETWORK_NAMED, "10.1.2.3:6830")
    assert is_answered(NETWORK_NAMED, "hub.example.org")
    assert not is_answered(NETWORK_NAMED, "evil.example")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", ""])
def test_a_page_of_another_site_is_refused(origin: str) -> None:
    check_origin("127.0.0.1:6830", None)
    check_origin("127.0.0.1:6830", "http://127.0.0.1:6830")
    with pytest.raises(PageError) as refused:
        check_origin("127.0.0.1:6830", origin)
    assert refused.value.status == 403


@given(st.text(max_size=60))
def test_no_header_breaks_the_check(told: str) -> None:
    host_name(told)
    is_answered(LOOPBACK, told)


async def raw(server: TestServer, head: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(head)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    return answer


async def test_the_application_asks_every_request_but_those_of_nodes() -> None:
    app, _ = make_gallery_app()
    async with TestServer(app) as server:
        own = f"{server.host}:{server.port}".encode()
        for head, status in (
            (b"GET /jobs HTTP/1.1\r\nHost: " + own + b"\r\nConnection: close\r\n\r\n", b"200"),
            (b"GET /jobs HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", b"421"),
            (b"GET /jobs HTTP/1.1\r\nHost: " + own + b"\r\nOrigin: http://evil\r\nConnection: close\r\n\r\n", b"403"),
            (b"GET /jobs HTTP/1.0\r\nHost: " + own + b"\r\n\r\n", b"200"),
            (b"GET /jobs HTTP/0.9\r\nHost: " + own + b"\r\n\r\n", b"505"),
        ):
            assert (await raw(server, head)).split()[1] == status, head
        post = b"POST /api/v1/events HTTP/1.1\r\nHost: any\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        assert (await raw(server, post)).split()[1] not in (b"421", b"403")
