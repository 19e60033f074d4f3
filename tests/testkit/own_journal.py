"""A journal of the test's own: a real systemd-journald in a mount namespace, where /run is empty.

Needs root for the namespace. The journal's sockets and files are reached from outside through /proc/PID/root. journald
reads the kernel's ring too; entries of it are among those of the journal.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from testkit.waiting import until

JOURNALD = Path("/usr/lib/systemd/systemd-journald")
JOURNALCTL = Path("/usr/bin/journalctl")
_SCRIPT = (
    "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal /run/log/journal && "
    f"mount --bind {{folder}} /etc/systemd && exec {JOURNALD}"
)


def lacking() -> str | None:
    """Why there can be no journal here; None where there can."""
    if os.geteuid() != 0:
        return "a journal of its own needs root"
    missing = [path for path in (JOURNALD, JOURNALCTL) if not path.exists()]
    return f"{missing[0]} is missing: install Debian's systemd" if missing else None


class OwnJournal:
    """What is written goes in by the journal's own sockets."""

    def __init__(self, pid: int) -> None:
        self.run = Path(f"/proc/{pid}/root/run")

    @property
    def folder(self) -> Path:
        """Where its files are, for journalctl's --directory."""
        return self.run / "log/journal"

    def write(self, fields: Mapping[str, bytes]) -> None:
        """An entry by the native protocol."""
        data = b"".join(
            b"%s\n%s%s\n" % (name.encode(), len(value).to_bytes(8, "little"), value) for name, value in fields.items()
        )
        self._send("systemd/journal/socket", data)

    def log(self, message: bytes) -> None:
        """A message as libc's syslog(3) writes it to /dev/log."""
        self._send("systemd/journal/dev-log", message)

    def _send(self, name: str, data: bytes) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(str(self.run / name))
            sender.send(data)


@asynccontextmanager
async def own_journal(folder: Path) -> AsyncIterator[OwnJournal]:
    """A journal while the block lasts; `folder` is empty and the test's own."""
    (folder / "journald.conf").write_text("[Journal]\nStorage=volatile\nRateLimitBurst=0\nReadKMsg=no\n")
    script = _SCRIPT.format(folder=folder)
    process = await asyncio.create_subprocess_exec(
        *("unshare", "--mount", "--propagation", "private", "sh", "-c", script),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        journal = OwnJournal(process.pid)
        await until(lambda: any(journal.folder.glob("*/system.journal")), "journald has made its file")
        yield journal
    finally:
        process.terminate()
        await process.wait()
