"""The far end of everything: a carbon and a hub that only count, in a process of their own.

Run as `python -m bench.counting_receivers`; prints its two ports as one JSON line, then answers each line on its
standard input with the counts so far; ends with its standard input. Started by `receivers`, fed by the daemon and
by collectd.

The hub speaks as much of docs/specs/hub-api.md as a node needs: it takes any credential, acknowledges every line and
remembers every event id, so that a case can say what arrived.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
from collections import Counter
from typing import Any

READ_BYTES = 256 * 1024
PROFILE_INTERVAL_S = 300
"""What a hub answers while nobody looks at a job's page."""


class Counts:
    """What came in so far."""

    def __init__(self) -> None:
        self.carbon_points = 0
        self.carbon_bytes = 0
        self.hub_requests = 0
        self.hub_bytes = 0
        self.profile_values = 0
        self.log_lines = 0
        self.actions: Counter[str] = Counter()
        self.ids: dict[str, int] = {}

    def as_document(self) -> dict[str, Any]:
        return {
            "carbon_points": self.carbon_points,
            "carbon_bytes": self.carbon_bytes,
            "hub_requests": self.hub_requests,
            "hub_bytes": self.hub_bytes,
            "profile_values": self.profile_values,
            "log_lines": self.log_lines,
            "actions": dict(self.actions),
            "distinct_ids": len(self.ids),
        }

    def take_event(self, line: bytes) -> None:
        document = json.loads(line)
        if "action" not in document["event"]:
            self.log_lines += 1 + document.get("slurm", {}).get("repeats", 0)
            return
        self.actions[document["event"]["action"]] += 1
        identity = document["event"]["id"]
        self.ids[identity] = self.ids.get(identity, 0) + 1
        profile = _profile(document)
        self.profile_values += sum(len(bins) for bins in profile.values())


def _profile(document: dict[str, Any]) -> dict[str, list[Any]]:
    """The columns of the profile in a document (docs/events.md), none where it carries none."""
    profile = document["slurm"].get("profile") or {}
    return dict(profile.get("columns", {}))


class Receivers:
    """The two servers and their counts."""

    def __init__(self) -> None:
        self.counts = Counts()

    async def carbon(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while block := await reader.read(READ_BYTES):
            self.counts.carbon_points += block.count(b"\n")
            self.counts.carbon_bytes += len(block)
        writer.close()

    async def hub(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await self._request(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        if headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await self._body(reader, headers)
        self.counts.hub_requests += 1
        self.counts.hub_bytes += len(body)
        lines = (gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body).splitlines()
        for line in lines:
            self.counts.take_event(line)
        answer = json.dumps(
            {"accepted": len(lines), "known": 0, "refused": [], "profile_interval_s": PROFILE_INTERVAL_S}
        ).encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer
        )
        await writer.drain()

    async def _body(self, reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return await reader.readexactly(int(headers.get("content-length", "0")))
        body = b""
        while size := int((await reader.readline()).split(b";")[0], 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readline()
        return body


async def serve() -> None:
    receivers = Receivers()
    servers = [await asyncio.start_server(take, "127.0.0.1", 0) for take in (receivers.carbon, receivers.hub)]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    print(json.dumps({"carbon": ports[0], "hub": ports[1]}), flush=True)
    questions = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(questions), sys.stdin)
    while question := await questions.readline():
        document = receivers.counts.as_document()
        if question.strip() == b"ids":
            document["ids"] = receivers.counts.ids
        print(json.dumps(document), flush=True)


if __name__ == "__main__":
    asyncio.run(serve())
