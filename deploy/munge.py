"""munged with a key of its own, at munge's usual socket in the sandbox's private /run."""

from __future__ import annotations

import os

from deploy.component import Service
from deploy.sandbox import Sandbox

KEY_SIZE_BYTES = 1024


class Munge(Service):
    """The credential daemon that Slurm's daemons and commands, node daemons and hub share."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._work = sandbox.folder / "munge"
        files = [f"--{name}-file={self._work}/{name}" for name in ("key", "seed", "log", "pid")]
        super().__init__(sandbox, "munged", ["munged", "--foreground", *files], self._answers, user="munge")

    def start(self) -> None:
        self._sandbox.run(["install", "-d", "-o", "munge", "-g", "munge", "-m", "755", str(self._work), "/run/munge"])
        key = self._work / "key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(KEY_SIZE_BYTES))
        self._sandbox.run(["chown", "munge:munge", str(key)])
        super().start()

    def _answers(self) -> bool:
        return self._sandbox.run(["munge", "--no-input"], check=False).returncode == 0
