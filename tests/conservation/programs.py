"""Programs that are meant to be hurt: started, killed, frozen, told another time, and given a disk that can be filled.

Owns the processes and the private mount of one ordeal; nothing of it outlives the test, however that ends.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from testkit.waiting import until

PATIENCE_S = 30.0
POLL_S = 0.01
PAGE_BYTES = 4096
SHARED_MEMORY = Path("/dev/shm")
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
STATE_STOPPED = "T"


def lacking() -> str | None:
    """Why no ordeal can be held here, None where it can."""
    if os.geteuid() != 0:
        return "a private mount namespace needs root"
    if not FAKETIME.exists():
        return f"{FAKETIME} is missing: install Debian's faketime"
    return None


class Program:
    """One process; may be killed and started again as often as wanted. It dies with us."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self.starts = 0
        self.env = {**os.environ, **(env or {})}
        self._argv = ["setpriv", "--pdeathsig", "KILL", "--", *argv]
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it; returns at once."""
        self.starts += 1
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._argv, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=self.env
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def status(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs or before it was started."""
        return None if self._process is None else self._process.returncode

    async def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send the signal and wait for the end; what ignores it for too long is killed."""
        if self._process is None or not self.is_running:
            return
        self._send(number)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._process.wait()
        except TimeoutError:
            self._send(signal.SIGKILL)
            await self._process.wait()

    async def freeze(self) -> None:
        """SIGSTOP; returns when it stands still."""
        self._send(signal.SIGSTOP)
        await until(lambda: not self.is_running or self._state() == STATE_STOPPED, f"{self.name} stands still")

    def thaw(self) -> None:
        """SIGCONT."""
        self._send(signal.SIGCONT)

    def tail(self, size: int = 3000) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-size:] if self.log.exists() else ""

    def _send(self, number: signal.Signals) -> None:
        if self.is_running:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _state(self) -> str:
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return "X"


class SmallDisk:
    """A small ext4 at `path`, in a mount namespace of its own; what is to see it starts with `entering`."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self.path = path
        self._size_bytes = size_bytes
        self._filling: asyncio.Task[None] | None = None
        self._holder: asyncio.subprocess.Process | None = None

    async def mount(self) -> None:
        """Mount it; it goes when this process ends, for the holder reads our end of a pipe."""
        self.path.mkdir()
        image = self.path.with_suffix(".img")
        with image.open("wb") as file:
            file.truncate(self._size_bytes)
        script = (
            f"mkfs.ext4 -q -m 0 -b {PAGE_BYTES} {image} && mount -o loop {image} {self.path} && echo ready && exec cat"
        )
        self._holder = await asyncio.create_subprocess_exec(
            *("unshare", "--mount", "--propagation", "private", "sh", "-c", script),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        assert await self._holder.stdout.readline() == b"ready\n", "no private mount: this needs root and a loop device"

    def entering(self, argv: Sequence[str]) -> list[str]:
        """The command, run where the disk is."""
        assert self._holder is not None
        return ["nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", "--", *argv]

    @property
    def seen_from_here(self) -> Path:
        """The same folder, by a path that this process can use."""
        assert self._holder is not None
        return Path(f"/proc/{self._holder.pid}/root{self.path}")

    def fill(self) -> None:
        """Leave not a byte, until `free`: what others give back is taken as well."""
        self._fill_up()
        self._filling = asyncio.create_task(self._keep_full())

    async def free(self) -> None:
        """Take the filler away."""
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.gather(self._filling, return_exceptions=True)
            self._filling = None
        (self.seen_from_here / "filler").unlink(missing_ok=True)

    async def _keep_full(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            self._fill_up()

    def _fill_up(self) -> None:
        handle = os.open(self.seen_from_here / "filler", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            size = 1 << 20
            while size >= PAGE_BYTES:
                try:
                    os.posix_fallocate(handle, os.fstat(handle).st_size, size)
                except OSError:
                    size //= 2
        finally:
            os.close(handle)

    async def unmount(self) -> None:
        """End the namespace, and the mount with it."""
        await self.free()
        if self._holder is not None and self._holder.stdin is not None:
            self._holder.stdin.close()
            await self._holder.wait()


class FakeClock:
    """The wall clock of one program, set by a file that libfaketime reads; the machine's own is never touched.

    libfaketime makes some of Python's sleeps fail with EINVAL while the clock is off, so a daemon under it makes no
    points: ordeals by clock are about events alone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.set(0)

    def set(self, offset_s: int) -> None:
        """So far from the true time, from now on."""
        temporary = self._path.with_suffix(".new")
        temporary.write_text(f"{offset_s:+d}s\n")
        temporary.rename(self._path)

    @staticmethod
    def clear_up() -> None:
        """Remove what libfaketime left in shared memory for programs that were killed."""
        for shared in SHARED_MEMORY.glob("faketime_shm_*"):
            pid = shared.name.removeprefix("faketime_shm_")
            if not Path("/proc", pid).exists():
                shared.unlink(missing_ok=True)
                (SHARED_MEMORY / f"sem.faketime_sem_{pid}").unlink(missing_ok=True)

    @property
    def env(self) -> dict[str, str]:
        """What the program needs in its environment. Only the wall clock jumps: the kernel's others never do."""
        return {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(self._path),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # Without this it waits in its own way for every lock, and the daemon is five times slower.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            "FAKETIME_DONT_RESET": "1",
            "NO_FAKE_STAT": "1",
        }
