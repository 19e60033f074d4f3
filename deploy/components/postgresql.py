"""A PostgreSQL of Debian's, on the loopback address: what a hub writes into where SQLite is too small.

`PostgreSql.url` is a hub's `database.url` for a database of the server; `make_database` adds one. Its superuser is
`slurmlens`, who proves nothing where no password is given: the port is this machine's alone. The server refuses to run
as root, so that it runs as the user that the package made, who owns the data. What was committed survives SIGKILL.
"""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

from deploy.components.server import Server
from deploy.errors import MachineLacks
from deploy.sandbox import Sandbox

USER = "postgres"
SUPERUSER = "slurmlens"
_RELEASES = Path("/usr/lib/postgresql")


class PostgreSql(Server):
    """The server; its first database is `postgres`."""

    def __init__(self, sandbox: Sandbox, name: str = "postgresql", *, password: str = "") -> None:
        self.port = sandbox.ports.take()
        self._password = password
        self._binaries = binaries()
        super().__init__(sandbox, name, self._answers)
        self._user = USER
        self._data = self.folder / "data"

    def url(self, database: str = "postgres") -> str:
        """A hub's `database.url`."""
        proof = f":{self._password}" if self._password else ""
        return f"postgresql://{SUPERUSER}{proof}@127.0.0.1:{self.port}/{database}"

    def make_database(self, name: str) -> str:
        """Makes an empty database; returns its URL."""
        options = ["--host=127.0.0.1", f"--port={self.port}", f"--username={SUPERUSER}", "--template=template0"]
        self._sandbox.run([str(self._binaries / "createdb"), *options, name], user=USER, env=self._proof())
        return self.url(name)

    def command(self) -> list[str]:
        if not self._data.exists():
            shutil.chown(self.folder, USER)
            options = [f"--username={SUPERUSER}", "--encoding=UTF8", "--locale=C", "--no-sync", *self._how_to_prove()]
            initdb = str(self._binaries / "initdb")
            self._sandbox.run([initdb, f"--pgdata={self._data}", *options], user=USER)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 40,
            "shared_buffers": "64MB",
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [str(self._binaries / "postgres"), "-D", str(self._data), *options]

    def query(self, statement: str, database: str = "postgres") -> str:
        """What psql prints of one statement's rows, without headings."""
        options = ["--host=127.0.0.1", f"--port={self.port}", f"--username={SUPERUSER}", "--no-psqlrc", "-Atc"]
        psql = [str(self._binaries / "psql"), *options, statement, database]
        return self._sandbox.run(psql, user=USER, env=self._proof()).stdout.strip()

    def _how_to_prove(self) -> list[str]:
        if not self._password:
            return ["--auth=trust"]
        file = self.folder / "password"
        file.touch(mode=0o600)
        file.write_text(self._password)
        shutil.chown(file, USER)
        return ["--auth=scram-sha-256", f"--pwfile={file}"]

    def _proof(self) -> dict[str, str]:
        return {"PGPASSWORD": self._password} if self._password else {}

    def _answers(self) -> bool:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", self.port)) != 0:
                return False
        ready = [str(self._binaries / "pg_isready"), "--host=127.0.0.1", f"--port={self.port}", "--quiet"]
        return self._sandbox.run(ready, user=USER, check=False).returncode == 0


def binaries() -> Path:
    """The folder of the newest release that is installed; MachineLacks where there is none."""
    found = [path for path in _RELEASES.glob("*/bin") if (path / "initdb").exists()]
    if not found:
        raise MachineLacks("no PostgreSQL server: apt-get install postgresql")
    return max(found, key=lambda path: int(path.parent.name) if path.parent.name.isdecimal() else 0)
