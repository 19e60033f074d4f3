"""Tells systemd how the program fares: one datagram a message, as sd_notify(3) describes.

Owns the address from the environment. Never raises and never waits: without systemd, or with its socket gone, nothing
happens. Used by each program's `main`.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

_US_PER_S = 1_000_000


class Notifier:
    """Speaks to the service manager that started this process, if one did."""

    def __init__(self, environment: Mapping[str, str] | None = None, process_id: int | None = None) -> None:
        known = os.environ if environment is None else environment
        address = known.get("NOTIFY_SOCKET", "")
        # An abstract address is written with @, and a NUL on the wire.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog_interval_s = _watchdog_interval_s(known, os.getpid() if process_id is None else process_id)

    def ready(self, status: str) -> None:
        """Everything is set up; the unit counts as started."""
        self._send(f"READY=1\nSTATUS={_one_line(status)}")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={_one_line(text)}")

    def alive(self) -> None:
        """To be called at least every `watchdog_interval_s`, where that is set."""
        self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """The program reads its settings again; `ready` ends that. The time is what systemd pairs the two by."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}\nSTATUS=beginning anew")

    def stopping(self) -> None:
        """The program has begun to end."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.setblocking(False)
            sock.sendto(message.encode(), self._address)


def _watchdog_interval_s(environment: Mapping[str, str], process_id: int) -> float | None:
    """Half of what systemd allows, as its manual advises; None where it does not watch this process."""
    if environment.get("WATCHDOG_PID", str(process_id)) != str(process_id):
        return None
    text = environment.get("WATCHDOG_USEC", "")
    return int(text) / 2 / _US_PER_S if text.isdecimal() and int(text) > 0 else None


def _one_line(text: str) -> str:
    return text.replace("\n", " ")
