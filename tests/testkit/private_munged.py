"""A real munged on a socket and key of its own, for the tests of who may speak."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
KEY = bytes(range(128))


@dataclass(frozen=True)
class Munged:
    """A running munged; `socket` is where it listens."""

    socket: Path
    pid: int


def missing(*, faketime: bool = False) -> str | None:
    """Why this machine cannot run one, or None."""
    if os.geteuid() != 0:
        return "needs root to run munged as user munge"
    if shutil.which("munged") is None:
        return "no munged (Debian: munge)"
    if faketime and not FAKETIME.exists():
        return "no libfaketime (Debian: faketime)"
    return None


@contextmanager
def private_munged(*, key: bytes = KEY, clock_offset: str | None = None) -> Iterator[Munged]:
    """Run a munged; `clock_offset` ("-2h") is how wrong its clock is. Two with one key are one cluster."""
    folder = Path(tempfile.mkdtemp(prefix="munged-", dir="/tmp"))
    try:
        key_file = folder / "key"
        key_file.write_bytes(key)
        key_file.chmod(0o400)
        for path in (folder, key_file):
            shutil.chown(path, "munge", "munge")
        folder.chmod(0o755)
        environment = {"PATH": os.environ["PATH"]}
        if clock_offset is not None:
            environment |= {"LD_PRELOAD": str(FAKETIME), "FAKETIME": clock_offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        # It goes into the background by itself once its socket answers, so there is nothing to wait for.
        subprocess.run(
            ["munged", "--force", f"--key-file={key_file}"]
            + [f"--{name}-file={folder / name}" for name in ("pid", "log", "seed")]
            + [f"--socket={folder / 'sock'}"],
            user="munge", group="munge", extra_groups=[], env=environment, check=True, capture_output=True,
        )  # fmt: skip
        pid = int((folder / "pid").read_text())
        try:
            yield Munged(folder / "sock", pid)
        finally:
            _end(pid)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _end(pid: int) -> None:
    """It is nobody's child any more, so its end shows as its pidfd becoming readable."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        if not select.select([handle], [], [], 5)[0]:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    finally:
        os.close(handle)
