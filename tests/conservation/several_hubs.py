"""Node, a real Kafka, two real hubs of one consumer group, and one real PostgreSQL, whose rows are what is judged.

It is the hubs that are hurt: each is a process that can be killed, and has a way to the database that can be cut.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psycopg
from deploy.component import listens, start_and_wait
from deploy.components.postgresql import PostgreSql

from conservation.programs import Program
from conservation.receivers import KafkaReceiver, Place, Promise, free_port
from conservation.verdict import Store
from testkit.fault_proxy import FaultProxy, fault_proxy
from testkit.waiting import until

GROUP = "hubs"


class OneHub:
    """One of the hubs: its process, and the proxy through which it reaches the database."""

    def __init__(self, place: Place, number: int, topic: str) -> None:
        self.name = f"hub {number}"
        self.port = free_port()
        self.proxy: FaultProxy
        self._place = place
        self._topic = topic
        self._folder = place.folder / f"hub{number}"
        self._folder.mkdir()
        config = self._folder / "hub.toml"
        argv = place.product("slurmlens.hub.main", "--config", str(config))
        self.program = Program(self.name, argv, self._folder / "hub.log", env=place.product_env)
        self._config = config

    async def start(self, kafka_port: int, database: str) -> None:
        """Starts it, or starts it again; returns when it listens."""
        self._config.write_text(f"""
cluster = "{self._place.cluster}"
runtime_path = "{self._folder}"
[listen]
port = {self.port}
[database]
url = "{database}"
shared = true
[kafka]
bootstrap = ["127.0.0.1:{kafka_port}"]
topic = "{self._topic}"
group = "{GROUP}"
[auth]
munge = false
token_file = "{self._tokens()}"
[slurm]
accounting = false
poll_interval_s = 3600
squeue = "/bin/false"
scontrol = "/bin/false"
sacct = "/bin/false"
[log]
level = "info"
format = "json"
""")
        await self.program.start()
        await until(lambda: listens(self.port) or not self.program.is_running, f"{self.name} listens")
        assert self.program.is_running, self.program.tail()

    def _tokens(self) -> Path:
        path = self._folder / "tokens"
        path.write_text(f"{self._place.node} 0123456789abcdef\n")
        path.chmod(0o600)
        return path


class SeveralHubs(KafkaReceiver):
    """The topic is what the node delivers to; what counts is what the hubs have made of it in their database."""

    name = "hubs"
    promise = Promise.ACKNOWLEDGED

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._postgresql = PostgreSql(place.sandbox)
        self._stack = AsyncExitStack()
        self._url = ""
        self.hubs = [OneHub(place, number, self.topic) for number in (1, 2)]

    async def start(self) -> None:
        await asyncio.to_thread(start_and_wait, self._postgresql)
        await super().start()
        self._url = await asyncio.to_thread(self._postgresql.make_database, "hubs")
        for hub in self.hubs:
            hub.proxy = await self._stack.enter_async_context(fault_proxy(self._postgresql.port))
            await self.start_hub(hub)

    async def start_hub(self, hub: OneHub) -> None:
        """Starts one of them, or starts it again."""
        url = self._url.replace(f":{self._postgresql.port}/", f":{hub.proxy.port}/")
        await hub.start(self.proxy_port, url)

    async def ids(self) -> set[str]:
        return {row[0] for row in await self.rows("SELECT id FROM events")}

    async def store(self) -> Store:
        bodies = {number: bytes(body).split(b"\n") for number, body in await self.rows("SELECT id, body FROM batches")}
        places = await self.rows("SELECT batch, line FROM events ORDER BY boottime_ns")
        return Store().take(bodies[batch][line - 1] for batch, line in places)

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the database answers, asked past the proxies."""
        return await asyncio.to_thread(self._rows, query)

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._url) as connection:
            return connection.execute(query).fetchall()

    async def stop(self) -> None:
        for hub in self.hubs:
            await hub.program.end()
        await self._stack.aclose()
        await super().stop()
        await asyncio.to_thread(self._postgresql.kill)
