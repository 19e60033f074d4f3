"""What the components here have in common: a program from the cache and a folder of its own in the sandbox.

Port and folder are chosen once and outlive the process: after `stop`, `kill` and the like, `start` brings the server
back on the same port with the same data.
"""

from __future__ import annotations

from collections.abc import Callable

from deploy.component import Service
from deploy.sandbox import Sandbox


class Server(Service):
    """A service whose program is fetched, and whose configuration is written, when it is first started."""

    def __init__(self, sandbox: Sandbox, name: str, check: Callable[[], bool], *, grace_s: float = 5.0) -> None:
        self.folder = sandbox.folder / name
        super().__init__(sandbox, name, (), check, cwd=self.folder, grace_s=grace_s)

    def command(self) -> list[str]:
        """Writes what the program wants to find in its folder and returns its command line."""
        raise NotImplementedError

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self._argv = self.command()
        super().start()
