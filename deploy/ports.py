"""TCP ports that no other instance takes, although the servers bind them later.

A port is claimed by holding an abstract unix socket of its number: the kernel gives it to one instance at a time and
frees it when the owner ends, however it ends. The range lies below the kernel's own ephemeral ports.
"""

from __future__ import annotations

import random
import socket

from deploy.errors import DeployError

FIRST, LAST = 20000, 31999
TRIES = 200


class Ports:
    """Hands out ports on the loopback address and holds them until closed."""

    def __init__(self) -> None:
        self._claims: list[socket.socket] = []
        self._random = random.SystemRandom()

    def take(self) -> int:
        """A port that nobody listens on and no other instance has claimed."""
        for _ in range(TRIES):
            port = self._random.randint(FIRST, LAST)
            if _free(port) and self._claim(port):
                return port
        raise DeployError(f"no free TCP port between {FIRST} and {LAST}")

    def _claim(self, port: int) -> bool:
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0slurmlens-port-{port}")
        except OSError:
            claim.close()
            return False
        self._claims.append(claim)
        return True

    def close(self) -> None:
        for claim in self._claims:
            claim.close()
        self._claims.clear()


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
