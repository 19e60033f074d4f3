"""A real Consul agent (a server alone), and the questions that tests ask it over plain HTTP.

`Agent` comes back on its port: with its data after `kill`, without after `lose_data`. `Api` is aiohttp, not the
product's client: what one wrote the other must find.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import urllib.request
from pathlib import Path
from typing import Any

import aiohttp
from deploy.component import start_and_wait
from deploy.components.consul import Consul
from deploy.sandbox import Sandbox

ROOT_TOKEN = "11111111-2222-3333-4444-555555555555"
PATIENCE_S = 20.0


class Agent(Consul):
    """An agent to be tormented; `acl`: nothing is allowed without `ROOT_TOKEN`."""

    def __init__(self, sandbox: Sandbox, *, acl: bool = False) -> None:
        super().__init__(sandbox, "consul-agent")
        self._acl = acl

    def command(self) -> list[str]:
        argv = super().command()
        if not self._acl:
            return argv
        rules = self.folder / "acl.json"
        tokens = {"master": ROOT_TOKEN, "agent": ROOT_TOKEN}
        rules.write_text(json.dumps({"acl": {"enabled": True, "default_policy": "deny", "tokens": tokens}}))
        return [*argv, f"-config-file={rules}"]

    def lose_data(self) -> None:
        """While it is down: everything it knew is gone."""
        shutil.rmtree(self.folder / "data")

    async def restart(self) -> None:
        """Start it again and wait for it, while the test's loop goes on."""
        await asyncio.to_thread(start_and_wait, self)

    def _takes_writes(self) -> bool:
        """Only a write shows that it can be used, and here a write needs the token."""
        request = urllib.request.Request(f"{self.url}/v1/kv/_ready", data=b"1", method="PUT")
        request.add_header("X-Consul-Token", ROOT_TOKEN)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


class Api:
    """What a test does to an agent and sees in it."""

    def __init__(self, agent: Consul, token: str | None = None) -> None:
        self._url = agent.url
        self._headers = {} if token is None else {"X-Consul-Token": token}

    async def put(self, path: str, body: Any = None) -> None:
        """PUT a document, or text as it is."""
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        async with (
            aiohttp.ClientSession(headers=self._headers) as session,
            session.put(f"{self._url}/v1/{path}", data=data) as answer,
        ):
            assert answer.status == 200, await answer.text()

    async def delete(self, path: str) -> None:
        """DELETE a key."""
        async with (
            aiohttp.ClientSession(headers=self._headers) as session,
            session.delete(f"{self._url}/v1/{path}") as answer,
        ):
            assert answer.status == 200, await answer.text()

    async def get(self, path: str) -> Any:
        """The document there; None where there is none."""
        async with (
            aiohttp.ClientSession(headers=self._headers) as session,
            session.get(f"{self._url}/v1/{path}") as answer,
        ):
            return await answer.json() if answer.status == 200 else None

    async def announce(self, name: str, port: int, *, host: str = "127.0.0.1", number: int = 1) -> None:
        """A healthy instance of a service, or its new place."""
        await self.put(
            "agent/service/register", {"ID": f"{name}-{number}", "Name": name, "Address": host, "Port": port}
        )

    async def withdraw(self, name: str, number: int = 1) -> None:
        """The instance is gone."""
        await self.put(f"agent/service/deregister/{name}-{number}")

    async def checks(self, service: str) -> list[Any]:
        """The checks of a service's instances, without the node's own."""
        entries = await self.get(f"health/service/{service}") or []
        return [check for entry in entries for check in entry["Checks"] if check["ServiceID"]]

    async def tree(self, prefix: str) -> dict[str, str]:
        """Keys and texts below a prefix."""
        pairs = await self.get(f"kv/{prefix}?recurse") or []
        return {pair["Key"]: base64.b64decode(pair["Value"] or "").decode() for pair in pairs}


def token_file(folder: Path, token: str) -> Path:
    """A token as the settings want it."""
    path = folder / "consul-token"
    path.write_text(token + "\n")
    path.chmod(0o600)
    return path
