"""Each real server starts, takes something and gives it back; each comes back from SIGKILL with what it had."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import ssl
import struct
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from deploy.component import start_and_wait
from deploy.components.carbon_c_relay import CarbonCRelay
from deploy.components.consul import Consul
from deploy.components.go_carbon import GoCarbon
from deploy.components.kafka import Kafka
from deploy.components.lumber import Lumber, Tls

from deploy import json_client
from testkit.components import private
from testkit.waiting import until_blocking

ANSWER_MAX_S = 10.0


def window(*events: bytes) -> bytes:
    """A Beats v2 window of plain JSON frames, written here by hand: the product's codec has its own tests."""
    frames = [b"2J" + struct.pack(">II", number, len(event)) + event for number, event in enumerate(events, 1)]
    return b"2W" + struct.pack(">I", len(events)) + b"".join(frames)


def beats_acknowledgement(connection: socket.socket) -> int:
    answer = connection.recv(6, socket.MSG_WAITALL)
    assert answer[:2] == b"2A"
    return int(struct.unpack(">I", answer[2:])[0])


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=ANSWER_MAX_S)


def test_go_lumber_acknowledges_what_is_in_its_file_as_it_was_sent(lumber: Lumber) -> None:
    with connect(lumber.port) as connection:
        connection.sendall(window(b'{"id": "start-1", "large": 12345678901234567890}', b'{"id":"start-2"}'))
        assert beats_acknowledgement(connection) == 2
    assert b'{"id":"start-1","large":12345678901234567890}\n{"id":"start-2"}\n' in lumber.output.read_bytes()


def test_go_lumber_killed_keeps_the_acknowledged_and_cuts_off_a_torn_line() -> None:
    with private(Lumber) as lumber:
        with connect(lumber.port) as connection:
            connection.sendall(window(b'{"id":1}'))
            assert beats_acknowledgement(connection) == 1
        lumber.kill()
        with lumber.output.open("ab") as output:
            output.write(b'{"id":2, "torn')
        start_and_wait(lumber)
        with connect(lumber.port) as connection:
            connection.sendall(window(b'{"id":3}'))
            assert beats_acknowledgement(connection) == 1
        assert lumber.events() == [{"id": 1}, {"id": 3}]


def test_go_lumber_paused_keeps_the_connection_and_answers_when_it_goes_on() -> None:
    with private(Lumber) as lumber, connect(lumber.port) as connection:
        lumber.pause()
        connection.sendall(window(b"{}"))
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(6)
        lumber.resume()
        connection.settimeout(ANSWER_MAX_S)
        assert beats_acknowledgement(connection) == 1
        lumber.pause()
        lumber.kill()
        assert connection.recv(6) == b""


def test_go_lumber_told_so_acknowledges_half_a_window_first() -> None:
    with private(lambda sandbox: Lumber(sandbox, options=["-partial"])) as lumber, connect(lumber.port) as connection:
        connection.sendall(window(b"{}", b"{}", b"{}", b"{}"))
        assert [beats_acknowledgement(connection) for _ in range(2)] == [2, 4]


def test_go_lumber_speaks_tls(tmp_path: Path) -> None:
    tls = Tls(tmp_path / "certificate.pem", tmp_path / "key.pem")
    certificate = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(tls.key), "-out", str(tls.certificate)]
    subprocess.run([*certificate, *subject, *files], check=True, capture_output=True)
    trusting = ssl.create_default_context(cafile=str(tls.certificate))
    with (
        private(lambda sandbox: Lumber(sandbox, tls=tls)) as lumber,
        connect(lumber.port) as plain,
        trusting.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(window(b'{"id":"over TLS"}'))
        answer = b"".join(connection.recv(1) for _ in range(6))
        assert answer == b"2A\0\0\0\1"
        assert lumber.events() == [{"id": "over TLS"}]


async def make_topic(kafka: Kafka, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        made = await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
        assert [error for _, error, _ in made.topic_errors] == [0]
    finally:
        await admin.close()


async def produce(kafka: Kafka, topic: str, *values: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, enable_idempotence=True) as producer:
        for value in values:
            await producer.send_and_wait(topic, value, key=b"job")


async def consume(kafka: Kafka, topic: str, count: int) -> list[bytes | None]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest")
    async with consumer:
        return [(await asyncio.wait_for(consumer.getone(), ANSWER_MAX_S)).value for _ in range(count)]


async def test_kafka_gives_back_what_it_took(kafka: Kafka) -> None:
    await make_topic(kafka, "start")
    await produce(kafka, "start", b"one", b"two")
    assert await consume(kafka, "start", 2) == [b"one", b"two"]


async def test_kafka_killed_comes_back_on_its_port_with_what_it_acknowledged() -> None:
    with private(Kafka) as kafka:
        await make_topic(kafka, "start")
        await produce(kafka, "start", b"before")
        kafka.kill()
        start_and_wait(kafka)
        await produce(kafka, "start", b"after")
        assert await consume(kafka, "start", 2) == [b"before", b"after"]


def test_carbon_c_relay_has_every_line_in_its_file(carbon_c_relay: CarbonCRelay) -> None:
    lines = [f"start.file.{number} {number} 1700000000" for number in range(100)]
    with connect(carbon_c_relay.port) as connection:
        connection.sendall("".join(f"{line}\n" for line in lines).encode())
    until_blocking(
        lambda: [line for line in carbon_c_relay.lines() if line.startswith("start.file.")] == lines,
        "every line is in the file",
    )


def test_carbon_c_relay_forwards_to_another(carbon_c_relay: CarbonCRelay) -> None:
    line = "start.forwarded 1 1700000000"
    with private(lambda sandbox: CarbonCRelay(sandbox, forward_to=[carbon_c_relay.port])) as front:
        with connect(front.port) as connection:
            connection.sendall(f"{line}\n".encode())
        until_blocking(lambda: line in carbon_c_relay.lines(), "the line is forwarded")


def tell(consul: Consul, path: str, body: bytes = b"") -> None:
    """A PUT whose answer is empty."""
    with urllib.request.urlopen(urllib.request.Request(f"{consul.url}/v1/{path}", data=body, method="PUT")):
        pass


def test_consul_tells_a_service_whose_check_has_passed(consul: Consul) -> None:
    service = {"Name": "start", "Port": 2003, "Check": {"CheckID": "start", "TTL": "30s"}}
    tell(consul, "agent/service/register", json.dumps(service).encode())
    assert json_client.get(f"{consul.url}/v1/health/service/start", {"passing": 1}) == []
    tell(consul, "agent/check/pass/start")
    until_blocking(
        lambda: bool(json_client.get(f"{consul.url}/v1/health/service/start", {"passing": 1})), "the check passes"
    )
    (found,) = json_client.get(f"{consul.url}/v1/health/service/start", {"passing": 1})
    assert found["Service"]["Port"] == 2003


def test_consul_killed_comes_back_on_its_port_with_what_it_took() -> None:
    with private(Consul) as consul:
        assert json_client.put(f"{consul.url}/v1/kv/start", b"kept") is True
        consul.kill()
        start_and_wait(consul)
        (entry,) = json_client.get(f"{consul.url}/v1/kv/start")
        assert base64.b64decode(entry["Value"]) == b"kept"


def test_go_carbon_renders_the_points_it_took(go_carbon: GoCarbon) -> None:
    series, begin_s = "slurm.start.nodes.n0.slots.0.cpu_cores", int(time.time()) - 60
    points = {begin_s + number: float(number) for number in range(20)}
    with connect(go_carbon.port) as connection:
        connection.sendall("".join(f"{series} {value} {at_s}\n" for at_s, value in points.items()).encode())
    until_blocking(
        lambda: go_carbon.points(series, begin_s - 10, begin_s + 30) == points, "the points are in the store"
    )
