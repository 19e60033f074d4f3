"""The loop: who is registered in Consul, which nodes Slurm has, what is to be done, and doing it.

Owns what is remembered between two looks and over a restart (`memory`, a JSON file): who was a member, and since when
he is missing. One look that fails changes nothing and is said; the next one begins anew. Nothing is drained because
Consul does not answer. Fed by Consul and `controller`; run by `slurmlens membership`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from slurmlens.discovery.answers import Registered
from slurmlens.errors import ConfigError, DiscoveryError, SourceError
from slurmlens.membership.controller import NodeControl
from slurmlens.membership.member import members
from slurmlens.membership.node_file import NodeFile, render
from slurmlens.membership.plan import Known, Steps, plan, remember
from slurmlens.slurm.hostlist import fold

Say = Callable[[str], None]


class ComputeRegistry(Protocol):
    """Where compute services register: a `ConsulClient`."""

    async def registered(self, service: str) -> tuple[Registered, ...]: ...


class MembershipSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the keeper looks and waits. `memory` None: what was seen is forgotten at the end."""

    service: str = "slurmd"
    interval_s: float = 10.0
    leave_after_s: float = 30.0
    memory: Path | None = None
    node_options: str = ""
    is_dry_run: bool = False


class MembershipKeeper:
    """Keeps Slurm's nodes those that are registered. With a `node_file` they stand in it, else they are dynamic."""

    def __init__(
        self,
        settings: MembershipSettings,
        registry: ComputeRegistry,
        controller: NodeControl,
        say: Say,
        *,
        node_file: NodeFile | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._settings, self._registry, self._controller = settings, registry, controller
        self._say, self._node_file, self._now_ns = say, node_file, now_ns
        self._known = _remembered(settings.memory)
        self._said_refused: tuple[str, ...] = ()
        self._problem = ""

    async def run(self) -> None:
        """Look again and again; ends only by being cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._settings.interval_s)

    async def look(self) -> bool:
        """One look; whether it was to its end. A problem is said once, until there is another or none."""
        try:
            steps = await self._steps()
            if not self._settings.is_dry_run:
                # What stands in a file has its address there, and is taken away by taking it out.
                is_dynamic = self._node_file is None
                await self._controller.do(steps if is_dynamic else steps._replace(addresses=(), remove=()))
            if self._node_file is not None:
                await self._write(self._node_file, steps)
        except (DiscoveryError, SourceError, ConfigError, OSError) as error:
            if str(error) != self._problem:
                self._say(f"{error}; trying again every {self._settings.interval_s:g} s")
            self._problem = str(error)
            return False
        if self._problem:
            self._say("goes on")
            self._problem = ""
        for name in steps.gone:
            del self._known[name]
        self._keep()
        return True

    async def _steps(self) -> Steps:
        nodes = await self._controller.nodes()
        addresses = {node.name: node.address or "" for node in nodes}
        found = members(await self._registry.registered(self._settings.service), addresses)
        if found.refused != self._said_refused:
            for problem in found.refused[:20]:
                self._say(f"refused: {problem}")
            self._said_refused = found.refused
        now_ns = self._now_ns()
        remember(self._known, found.by_name, now_ns)
        steps = plan(self._known, nodes, now_ns, self._settings.leave_after_s)
        for what, names in _told(steps).items():
            if names:
                self._say(f"{what}: {fold(names)}")
        return steps

    async def _write(self, file: NodeFile, steps: Steps) -> None:
        """The file holds every member, and those that leave for as long as something runs there."""
        away = {*steps.remove, *steps.gone}
        kept = [one.member for name, one in self._known.items() if name not in away]
        text = render(kept, self._settings.node_options)
        if not file.is_up_to_date(text):
            self._say(f"{len(kept)} nodes are rendered")
            if not self._settings.is_dry_run:
                await file.install(text)
                self._say(f"{len(kept)} nodes are installed")

    def _keep(self) -> None:
        path = self._settings.memory
        if path is not None and not self._settings.is_dry_run:
            new = path.with_name(f"{path.name}.new")
            new.write_bytes(msgspec.json.encode(self._known))
            new.rename(path)


def _told(steps: Steps) -> dict[str, list[str]]:
    return {
        "addresses set": [member.name for member in steps.addresses],
        "in": list(steps.resume),
        "drained, for they have left": list(steps.drain),
        "taken away": list(steps.remove),
    }


def _remembered(path: Path | None) -> dict[str, Known]:
    """What was kept; ConfigError where the file is no such thing."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Known]) if path is not None else {}
    except FileNotFoundError:
        return {}
    except (msgspec.DecodeError, OSError) as error:
        raise ConfigError(f"cannot be read ({error}): take it away to begin anew", path=path) from error
