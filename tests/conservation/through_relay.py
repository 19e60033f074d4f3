"""The row "through a relay": node, fault proxy, the real slurmlens-relay, the real hub, whose SQL is what is judged.

It is the relay that is hurt: what it has answered must be at the hub, whatever becomes of it.
"""

from __future__ import annotations

from deploy.component import listens

from conservation.programs import Program
from conservation.receivers import BACKOFF, TOKEN, HubReceiver, Place, Victim, free_port
from testkit.waiting import until

RELAY = "r1"
RELAY_TOKEN = "of-the-relay-itself"  # of a test


class ThroughRelay(HubReceiver):
    """The relay is the receiver, the hub behind it is the store."""

    name = "relay"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        hub_config = place.folder / "hub.toml"
        tokens = f'token_file = "{place.folder}/tokens"'
        assert tokens in hub_config.read_text()
        hub_config.write_text(hub_config.read_text().replace(tokens, f'{tokens}\nrelays = ["{RELAY}"]'))
        self._hub, self._hub_port = self.program, self.port
        self.port = free_port()
        for name, text in (
            ("tokens", f"{RELAY} {RELAY_TOKEN}"),
            ("relay-token", RELAY_TOKEN),
            ("node-tokens", f"{place.node} {TOKEN}"),
        ):
            (place.folder / name).write_text(text + "\n")
            (place.folder / name).chmod(0o600)
        config = place.folder / "relay.toml"
        config.write_text(self._relay_settings())
        self.program = Program(
            "relay",
            place.product("slurmlens.relay.main", "--config", str(config)),
            place.folder / "relay.log",
            env=place.product_env,
        )
        self.victim: Victim | None = self.program

    async def start(self) -> None:
        if not self._hub.is_running:
            await self._hub.start()
        await self.program.start()
        await _listens(self._hub, self._hub_port)
        await _listens(self.program, self.port)

    async def stop(self) -> None:
        await self.program.end()
        await self._hub.end()

    def _relay_settings(self) -> str:
        folder = self._place.folder
        return f"""
cluster = "{self._place.cluster}"
name = "{RELAY}"
runtime_path = "{folder}/relay-run"
[listen]
port = {self.port}
[spool]
path = "{folder}/relay-spool"
[auth]
munge = false
token_file = "{folder}/node-tokens"
[sinks.hub]
url = "http://127.0.0.1:{self._hub_port}"
auth = "token"
token_file = "{folder}/relay-token"
timeout_s = 2
{BACKOFF}
[log]
level = "warning"
format = "json"
"""


async def _listens(program: Program, port: int | None) -> None:
    await until(lambda: listens(port or 0) or not program.is_running, f"the {program.name} listens")
    assert program.is_running, program.tail()
