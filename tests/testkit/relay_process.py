"""The real `slurmlens-relay` as a process: its settings, its folders, its end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from slurmlens.relay.status import RelayStatus
from testkit.waiting import until

PATIENCE_S = 20.0


class RelayProcess:
    """One relay; may be killed and started again on the same spool and the same ports."""

    def __init__(self, folder: Path, settings: str, top: str = "") -> None:
        """`settings` are tables beside `[listen]`, `[carbon]` and `[spool]`; `top` is what stands before all tables."""
        self.folder = folder
        self.settings = settings
        self._top = top
        self._ports = (0, 0)
        self._process: asyncio.subprocess.Process | None = None
        folder.mkdir(exist_ok=True)

    @property
    def events_port(self) -> int:
        return self._ports[0]

    @property
    def metrics_port(self) -> int:
        return self._ports[1]

    async def start(self) -> None:
        """Starts it and waits until it answers."""
        (self.folder / "relay.toml").write_text(f"""
cluster = "demo"
name = "r1"
runtime_path = "{self.folder}/run"
{self._top}
[spool]
path = "{self.folder}/spool"
[listen]
port = {self._ports[0]}
[carbon]
port = {self._ports[1]}
linger_s = 0.05
[log]
level = "debug"
{self.settings}
""")
        with (self.folder / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "slurmlens.relay.main", "--config", str(self.folder / "relay.toml"),
                stdout=log, stderr=log,
            )  # fmt: skip
        process = self._process

        def is_up() -> bool:
            assert process.returncode is None, self.log()
            return (self.folder / "run/status.sock").exists()

        await until(is_up, "the relay's status socket")
        status = await self.status()
        assert status.events_port is not None
        self._ports = (status.events_port, status.metrics_port or 0)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends a signal and waits for the end; returns the exit status."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
        async with asyncio.timeout(PATIENCE_S):
            status = await self._process.wait()
        (self.folder / "run/status.sock").unlink(missing_ok=True)
        return status

    async def status(self) -> RelayStatus:
        """What the relay says of itself."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    reader, writer = await asyncio.open_unix_connection(self.folder / "run/status.sock")
                except ConnectionRefusedError:  # made, and not listened on yet
                    await asyncio.sleep(0.01)
                    continue
                said = await reader.read()
                writer.close()
                return msgspec.json.decode(said, type=RelayStatus)

    @property
    def most_resident_bytes(self) -> int:
        """The most memory that it has had so far."""
        assert self._process is not None
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))

    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None


@asynccontextmanager
async def relay_process(folder: Path, settings: str, top: str = "") -> AsyncIterator[RelayProcess]:
    """A relay that runs; ended at leaving, whatever happens."""
    relay = RelayProcess(folder, settings, top)
    try:
        await relay.start()
        yield relay
    finally:
        if relay.is_running:
            await relay.stop(signal.SIGKILL)
