"""The hub sink against a real TCP server that answers, refuses, lies, hangs and dies by script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from slurmlens.config.sinks import HubSinkConfig
from slurmlens.delivery.sinks.hub import MANGLED_LIMIT, HubSink
from slurmlens.delivery.sinks.proof import proof_of, read_token
from slurmlens.errors import DecodeError, DeliveryError
from slurmlens.runtime import munge
from slurmlens.runtime.endpoint import FixedEndpoint
from slurmlens.runtime.request_proof import events_payload
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire import ecs
from slurmlens.wire.ingest import unpack
from slurmlens.wire.packed_body import PACKED_TYPE, split_body
from slurmlens.wire.received import received_lines
from testkit.manual_clock import ManualClock
from testkit.private_munged import Munged, missing, private_munged
from testkit.scripted_server import Act, Request, ScriptedHttp, answer, never, raw, resetting, serving
from testkit.told_events import Told

TAKEN = answer(200, b'{"accepted":1,"known":0,"refused":[],"profile_interval_s":10}')
LINES = b'{"a":1}\n{"a":2}\n{"a":3}\n'


_REFUSED = [{"line": number, "reason": "malformed"} for number in (1, 2, 3)]
NOT_A_LINE = answer(200, json.dumps({"accepted": 0, "known": 0, "refused": _REFUSED}).encode())
"""To packed lines whose header that says so was mangled."""


def hub_sink(config: HubSinkConfig, *rest: Any) -> HubSink:
    return HubSink(config, FixedEndpoint(*config.address), "n0", *rest)


@dataclass
class Setup:
    """A sink that speaks to a scripted hub."""

    script: ScriptedHttp
    intervals_s: list[float] = field(default_factory=list)
    reporter: Reporter = field(default_factory=lambda: Reporter(Counters(), ManualClock()))
    proofs: int = 0

    @asynccontextmanager
    async def sink(self, timeout_s: float = 5) -> AsyncIterator[HubSink]:
        async with serving(self.script) as port:
            config = HubSinkConfig(url=f"http://127.0.0.1:{port}", timeout_s=timeout_s)
            sink = hub_sink(config, self._prove, self.reporter, self.intervals_s.append)
            try:
                yield sink
            finally:
                await sink.aclose()

    def _prove(self, body: bytes) -> str:
        self.proofs += 1
        return f"Bearer {self.proofs}"


def hub(*script: Act) -> Setup:
    return Setup(ScriptedHttp(list(script)))


async def failure(setup: Setup, timeout_s: float = 5) -> DeliveryError:
    async with setup.sink(timeout_s) as sink:
        with pytest.raises(DeliveryError) as caught:
            await sink.deliver(LINES, 3)
    return caught.value


async def test_a_request_says_who_sends_what_and_carries_the_lines_packed() -> None:
    setup = hub(TAKEN)
    async with setup.sink() as sink:
        assert await sink.deliver(LINES, 3) == 3
    [request] = setup.script.requests
    assert request.line == "POST /api/v1/events HTTP/1.1"
    assert request.headers["x-slurmlens-node"] == "n0"
    assert request.headers["content-type"] == "application/x-ndjson"
    assert request.headers["authorization"] == "Bearer 1"
    assert request.lines == LINES.splitlines()
    assert setup.intervals_s == [10.0]


async def test_one_connection_is_kept_for_many_requests() -> None:
    setup = hub(TAKEN)
    async with setup.sink() as sink:
        for _ in range(3):
            await sink.deliver(LINES, 3)
    assert [request.connection for request in setup.script.requests] == [1, 1, 1]


async def test_lines_that_the_hub_refuses_are_counted_by_reason_and_the_rest_is_taken() -> None:
    refused = [{"line": 2, "reason": "malformed", "message": "no id"}, {"line": 3, "reason": "other_node"}]
    setup = hub(answer(200, json.dumps({"accepted": 1, "known": 0, "refused": refused}).encode()))
    async with setup.sink() as sink:
        assert await sink.deliver(LINES, 3) == 1
    counted = setup.reporter.counters.snapshot()
    assert counted['hub_refused_lines_total{reason="malformed"}'] == 1
    assert counted['hub_refused_lines_total{reason="other_node"}'] == 1


async def test_too_large_a_request_is_sent_again_in_halves_down_to_single_lines() -> None:
    too_large = answer(413, b"{}")
    # Three lines; one line; two lines; each of the two alone, of which the hub takes the first only.
    setup = hub(too_large, TAKEN, too_large, TAKEN, too_large)
    async with setup.sink() as sink:
        assert await sink.deliver(LINES, 3) == 2
    assert [len(request.lines) for request in setup.script.requests] == [3, 1, 2, 1, 1]
    assert setup.reporter.counters.snapshot()['hub_refused_lines_total{reason="too_large"}'] == 1


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
async def test_a_refusal_that_may_pass_is_worth_another_try(status: int) -> None:
    error = await failure(hub(answer(status, b'{"reason":"expired","message":"made 2 hours ago"}')))
    assert (error.reason, error.retriable) == (f"http_{status}", True)
    assert "expired made 2 hours ago" in str(error)


def told_to_wait(status: int, *headers: str) -> Act:
    lines = "".join(f"{header}\r\n" for header in headers)
    return raw(f"HTTP/1.1 {status} Busy\r\n{lines}Content-Length: 2\r\n\r\n{{}}".encode())


@pytest.mark.parametrize(
    ("status", "header", "wait_s"),
    [
        (503, "Retry-After: 5", 5.0),
        (429, "Retry-After: 5", 5.0),
        (503, "Retry-After: 99999999999", 60.0),
        (503, "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT", 0.0),
        (503, "Retry-After: -1", 0.0),
        (500, "Retry-After: 5", 0.0),
        (503, "Server: x", 0.0),
    ],
)
async def test_a_hub_that_asks_to_come_back_later_is_left_alone_for_so_long(
    status: int, header: str, wait_s: float
) -> None:
    assert (await failure(hub(told_to_wait(status, header)))).wait_s == wait_s


async def test_a_request_that_was_mangled_on_its_way_is_tried_again() -> None:
    error = await failure(hub(answer(400, b"<h1>Bad\nRequest</h1>")))
    assert (error.reason, error.retriable) == ("http_400", True)
    assert "\n" not in str(error)


@pytest.mark.parametrize("act", [answer(400), NOT_A_LINE], ids=["400", "no line of it"])
async def test_what_is_found_mangled_again_and_again_is_given_up_and_the_next_begins_anew(act: Act) -> None:
    async with hub(act).sink() as sink:
        given_up: list[bool] = []
        for _ in range(MANGLED_LIMIT + 1):
            try:
                given_up.append(await sink.deliver(LINES, 3) == 0)
            except DeliveryError as error:
                given_up.append(not error.retriable)
    assert given_up == [*[False] * (MANGLED_LIMIT - 1), True, False]


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "garbage"),
        (raw(b"\xff" * 70_000, then_close=False), "garbage"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), "network"),
        (resetting(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), "network"),
        (raw(b""), "network"),
        (resetting(), "network"),
        (answer(200, b"no json"), "garbage"),
        (answer(200, b'{"accepted":"many"}'), "garbage"),
        (answer(200, b"x" * 1_048_577), "too_long"),
        (raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "garbage"),
    ],
)
async def test_whatever_comes_back_is_a_named_failure_worth_another_try(act: Act, reason: str) -> None:
    error = await failure(hub(act))
    assert (error.reason, error.retriable) == (reason, True)


@pytest.mark.parametrize("act", [never, raw(b"HTTP/1.1 200 OK\r\nContent-Le", then_close=False)])
async def test_a_hub_that_says_nothing_or_stops_in_the_middle_is_left_after_the_time_limit(act: Act) -> None:
    error = await failure(hub(act), timeout_s=0.05)
    assert (error.reason, error.retriable) == ("timeout", True)


async def test_a_hub_that_is_not_there_is_named() -> None:
    async with hub(TAKEN).sink() as sink:
        pass  # the server is gone now, and its port free
    with pytest.raises(DeliveryError, match=r"http://127.0.0.1:\d+: .*Connect call failed") as caught:
        await sink.deliver(LINES, 3)
    assert caught.value.reason == "connect"


async def test_after_any_failure_the_next_request_takes_a_new_connection() -> None:
    setup = hub(raw(b"HTTP/1.1 200 OK\r\nContent-Le", then_close=False), TAKEN)
    async with setup.sink(timeout_s=0.05) as sink:
        with pytest.raises(DeliveryError):
            await sink.deliver(LINES, 3)
        assert await sink.deliver(LINES, 3) == 3
    assert [request.connection for request in setup.script.requests] == [1, 2]


async def test_a_request_that_was_cancelled_leaves_no_connection_on_which_its_answer_could_come() -> None:
    asked = asyncio.Event()

    async def remember(writer: asyncio.StreamWriter, request: Request) -> None:
        asked.set()
        await never(writer, request)

    setup = hub(remember, TAKEN)
    async with setup.sink() as sink:
        delivering = asyncio.create_task(sink.deliver(LINES, 3))
        await asked.wait()
        delivering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await delivering
        assert await sink.deliver(LINES, 3) == 3
    assert [request.connection for request in setup.script.requests] == [1, 2]


async def test_a_kept_connection_that_dies_on_the_next_request_is_replaced_at_once_with_a_new_proof() -> None:
    setup = hub(TAKEN, resetting(), TAKEN)
    async with setup.sink() as sink:
        await sink.deliver(LINES, 3)
        assert await sink.deliver(LINES, 3) == 3
    assert [request.connection for request in setup.script.requests] == [1, 1, 2]
    assert [request.headers["authorization"] for request in setup.script.requests] == [
        "Bearer 1",
        "Bearer 2",
        "Bearer 3",
    ]


async def test_a_hub_that_closes_after_each_answer_is_asked_on_a_new_connection() -> None:
    setup = hub(answer(200, b'{"accepted":1,"known":0}', "Connection: close"))
    async with setup.sink() as sink:
        await sink.deliver(LINES, 3)
        await sink.deliver(LINES, 3)
    assert [request.connection for request in setup.script.requests] == [1, 2]


async def test_a_second_answer_that_nobody_asked_for_is_never_taken_for_the_next() -> None:
    doubled = b"HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\n" + b'{"accepted":1,"known":0}'
    setup = hub(raw(doubled + doubled, then_close=False), answer(503))
    async with setup.sink() as sink:
        await sink.deliver(LINES, 3)
        with pytest.raises(DeliveryError, match="answered 503"):
            await sink.deliver(LINES, 3)


@pytest.mark.parametrize("interval", ["0", "-5", "null"])
async def test_a_senseless_profile_interval_is_passed_over(interval: str) -> None:
    setup = hub(answer(200, b'{"accepted":1,"known":0,"profile_interval_s":%s}' % interval.encode()), TAKEN)
    async with setup.sink() as sink:
        await sink.deliver(LINES, 3)
    assert setup.intervals_s == []


@pytest.fixture(scope="module")
def munged() -> Iterator[Munged]:
    with private_munged() as running:
        yield running


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
async def test_a_munge_credential_binds_node_and_body(munged: Munged) -> None:
    setup = hub(TAKEN)
    async with serving(setup.script) as port:
        config = HubSinkConfig(url=f"http://127.0.0.1:{port}", munge_socket=munged.socket)
        sink = hub_sink(
            config,
            proof_of(config, "n0"),
            setup.reporter,
            setup.intervals_s.append,
        )
        await sink.deliver(LINES, 3)
        await sink.deliver(LINES, 3)
        await sink.aclose()
    credentials = [request.headers["authorization"] for request in setup.script.requests]
    assert credentials[0] != credentials[1]
    for request, credential in zip(setup.script.requests, credentials, strict=True):
        opened = munge.decode(credential.removeprefix("Munge ").encode(), socket_path=munged.socket)
        assert opened.payload == events_payload("n0", request.body)


async def test_without_munged_the_lines_wait_and_the_reason_is_told(tmp_path: Path) -> None:
    config = HubSinkConfig(url="http://127.0.0.1:1", munge_socket=tmp_path / "absent")
    sink = hub_sink(
        config,
        proof_of(config, "n0"),
        Reporter(Counters(), ManualClock()),
        lambda _: None,
    )
    with pytest.raises(DeliveryError, match="munged could not be asked") as caught:
        await sink.deliver(LINES, 3)
    assert (caught.value.reason, caught.value.retriable) == ("munge", True)


def test_a_token_is_read_anew_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first\n")
    path.chmod(0o640)
    proof = proof_of(HubSinkConfig(auth="token", token_file=path), "n0")
    assert proof(b"") == "Bearer first"
    path.write_text("second\n")
    assert proof(b"") == "Bearer second"


@pytest.mark.parametrize(
    ("content", "mode", "message"),
    [
        (b"good", 0o644, "open to everybody: chmod 640"),
        (b"", 0o600, "one word in ASCII"),
        (b"two words", 0o600, "one word in ASCII"),
        (b"a\r\nX-Injected: 1", 0o600, "one word in ASCII"),
        ("schlüssel".encode(), 0o600, "one word in ASCII"),
        (b"x" * 5000, 0o600, "one word in ASCII"),
    ],
)
def test_a_token_file_that_cannot_be_used_says_why(tmp_path: Path, content: bytes, mode: int, message: str) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(DeliveryError, match=message):
        read_token(path)


def test_a_missing_token_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match="absent: No such file"):
        read_token(tmp_path / "absent")


READS_PACKED = answer(200, b'{"accepted":1,"known":0,"refused":[],"profile_interval_s":10,"schemas":[1,2]}')
PROFILES = b"".join(ecs.encode(event) + b"\n" for event in (Told().points(0, 1.0, 2.0), Told().beat(20)))


def is_packed(request: Request) -> bool:
    return request.headers["content-type"] == PACKED_TYPE


def events_in(request: Request) -> list[str]:
    """Ids of the events in a request, packed or not."""
    if is_packed(request):
        half = split_body(request.body)
        found = received_lines(unpack(half.lines, "gzip", 10**6), half.profiles)
    else:
        found = received_lines(b"\n".join(request.lines))
    return [event.id for _, event in found if not isinstance(event, DecodeError)]


async def test_profiles_go_packed_once_the_hub_has_said_that_it_reads_them() -> None:
    setup = hub(READS_PACKED)
    async with setup.sink() as sink:
        assert [await sink.deliver(PROFILES, 2) for _ in range(3)] == [2, 2, 2]
        await sink.deliver(LINES, 3)
    assert [is_packed(request) for request in setup.script.requests] == [False, True, True, False]
    assert len({tuple(events_in(request)) for request in setup.script.requests[:3]}) == 1
    assert "content-encoding" not in setup.script.requests[1].headers


async def test_a_hub_of_an_earlier_release_gets_json_for_ever() -> None:
    setup = hub(TAKEN)
    async with setup.sink() as sink:
        for _ in range(3):
            await sink.deliver(PROFILES, 2)
    assert not any(is_packed(request) for request in setup.script.requests)


def refusing(reason: str, *numbers: int) -> Act:
    refused = [{"line": number, "reason": reason} for number in numbers]
    return answer(200, json.dumps({"accepted": 2 - len(numbers), "known": 0, "refused": refused}).encode())


@pytest.mark.parametrize(
    "earlier",
    [refusing("version", 1), refusing("malformed", 1, 2), answer(400, b'{"reason":"encoding"}'), answer(415, b"{}")],
    ids=["refuses the schema", "reads no line", "400", "415"],
)
async def test_what_a_hub_of_an_earlier_release_could_not_read_goes_to_it_as_json_at_once(earlier: Act) -> None:
    setup = hub(READS_PACKED, earlier, TAKEN)
    async with setup.sink() as sink:
        await sink.deliver(PROFILES, 2)
        assert await sink.deliver(PROFILES, 2) == 2
        await sink.deliver(PROFILES, 2)
    assert [is_packed(request) for request in setup.script.requests] == [False, True, False, False]
    assert events_in(setup.script.requests[2]) == events_in(setup.script.requests[1])
    assert not any("refused" in name for name in setup.reporter.counters.snapshot())


async def test_a_packed_request_that_is_too_large_is_sent_in_halves_with_their_own_columns() -> None:
    setup = hub(READS_PACKED, answer(413, b"{}"), READS_PACKED)
    two = b"".join(ecs.encode(Told(7, node).points(0, 1.0, 2.0)) + b"\n" for node in ("n1", "n2"))
    async with setup.sink() as sink:
        await sink.deliver(two, 2)
        assert await sink.deliver(two, 2) == 2
    assert [len(events_in(request)) for request in setup.script.requests] == [2, 2, 1, 1]
