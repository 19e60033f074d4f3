"""A PostgreSQL server of this machine's for the length of a case, in a folder of its own, on the loopback address.

Owns the process and its data. The server is Debian's, at its own defaults but for where it listens; it refuses to run
as root, so that it runs as the user that its package made.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.components.postgresql import SUPERUSER, USER, binaries
from deploy.errors import MachineLacks

from bench.hub_load.programs import free_port
from bench.result import NotMeasurable

READY_TIMEOUT_S = 20.0


class BenchPostgreSql:
    """The running server; a context manager."""

    def __init__(self, folder: Path) -> None:
        try:
            self._binaries = binaries()
        except MachineLacks as error:
            raise NotMeasurable(str(error)) from None
        self._data = folder / "postgresql"
        self._log_path = folder / "postgresql.log"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """A hub's `database.url`."""
        return f"postgresql://{SUPERUSER}@127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> Self:
        self._data.mkdir()
        self._data.parent.chmod(0o711)  # its user has to pass through
        shutil.chown(self._data, USER)
        options = ["--auth=trust", f"--username={SUPERUSER}", "--encoding=UTF8", "--locale=C", "--no-sync"]
        initdb = [str(self._binaries / "initdb"), f"--pgdata={self._data}", *options]
        done = subprocess.run(initdb, user=USER, capture_output=True, text=True, check=False, cwd="/")
        if done.returncode:
            raise NotMeasurable(f"initdb: {done.stderr.strip().splitlines()[-1:]}")
        settings = [f"-p{self.port}", "-hlocalhost", "-k", ""]
        with self._log_path.open("wb") as log:
            command = [str(self._binaries / "postgres"), "-D", str(self._data), *settings]
            self._process = subprocess.Popen(command, user=USER, stdout=log, stderr=log, cwd="/")
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline_s and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    time.sleep(0.5)
                    return self
            time.sleep(0.05)
        self.__exit__(None, None, None)
        raise NotMeasurable("PostgreSQL did not start")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()
