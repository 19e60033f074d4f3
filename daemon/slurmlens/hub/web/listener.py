"""The hub's port, and its Unix socket for local users where there are rules: binds them, serves the application behind
its doors, and ends what is still open.

Owns the listening sockets. Made and opened by `hub.pipeline`; says which port was bound where the settings leave that
to the kernel.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from pathlib import Path

from aiohttp import web

from slurmlens.config.hub import HubListenConfig
from slurmlens.errors import ConfigError
from slurmlens.hub.web.doors import Doors, WatchedConnection

SHUTDOWN_S = 2.0


class Listener:
    """One port; `open` it with the application that answers."""

    def __init__(
        self, settings: HubListenConfig, doors: Doors, tls: ssl.SSLContext | None, socket: Path | None = None
    ) -> None:
        self._settings = settings
        self._doors = doors
        self._tls = tls
        self._socket = socket
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int | None:
        """The port that is bound; None while none is."""
        return None if self._runner is None else int(self._runner.addresses[0][1])

    async def open(self, app: web.Application) -> None:
        """Binds the port; ConfigError where that cannot be."""
        # a credential binds the bytes as sent, so they must arrive as sent
        runner = web.AppRunner(app, auto_decompress=False, access_log=None, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        listen = self._settings
        try:
            await DoorSite(runner, self._doors, listen.host, listen.port, self._tls).start()
        except OSError as error:
            await runner.cleanup()
            question = "; is another hub running?" if error.errno == errno.EADDRINUSE else ""
            message = f"{listen.host}:{listen.port} cannot be bound: {error.strerror}{question}"
            raise ConfigError(message, key="listen") from error
        self._runner = runner
        await self._open_socket(runner)

    async def _open_socket(self, runner: web.AppRunner) -> None:
        if self._socket is None:
            return
        try:
            await UnixDoorSite(runner, self._doors, self._socket).start()
        except OSError as error:
            await runner.cleanup()
            message = f"{self._socket} cannot be bound: {error.strerror or error}"
            raise ConfigError(message, key="access.socket_path") from error

    async def close(self) -> None:
        """Finishes requests and closes the port."""
        if self._runner is not None:
            await self._runner.cleanup()


class UnixDoorSite(web.BaseSite):
    """A Unix socket of this machine's users whose connections go through `doors`; everybody may connect."""

    def __init__(self, runner: web.BaseRunner, doors: Doors, path: Path) -> None:
        super().__init__(runner)
        self._doors = doors
        self._path = path

    @property
    def name(self) -> str:
        """Where it listens."""
        return f"unix:{self._path}"

    async def start(self) -> None:
        """Bind, over what a killed hub left there; OSError where that cannot be."""
        await super().start()
        server = self._runner.server
        assert server is not None
        self._server = await asyncio.get_running_loop().create_unix_server(
            lambda: WatchedConnection(self._doors, server()), self._path
        )
        self._path.chmod(0o666)  # the kernel says who connects

    async def stop(self) -> None:
        """Closes the socket and takes its file away."""
        await super().stop()
        self._path.unlink(missing_ok=True)


class DoorSite(web.BaseSite):
    """A port whose connections go through `doors`."""

    def __init__(
        self, runner: web.BaseRunner, doors: Doors, host: str, port: int, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(runner, ssl_context=ssl_context)
        self._doors = doors
        self._host = host
        self._port = port

    @property
    def name(self) -> str:
        """Where it listens."""
        return f"{self._host}:{self._port}"

    async def start(self) -> None:
        """Bind; OSError where that cannot be."""
        await super().start()
        server = self._runner.server
        assert server is not None
        self._server = await asyncio.get_running_loop().create_server(
            lambda: WatchedConnection(self._doors, server()),
            self._host,
            self._port,
            ssl=self._ssl_context,
            backlog=1024,
        )
