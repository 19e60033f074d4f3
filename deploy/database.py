"""MariaDB for Slurm's accounting: a private server on a unix socket in the sandbox's own /run.

Creating the system tables takes seconds, so they are made once into the cache folder, keyed by the server's version,
and copied into each instance.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from deploy.cache import cached_folder
from deploy.component import Service
from deploy.sandbox import Sandbox

SOCKET = "/run/mysqld/mysqld.sock"  # where libmariadb looks for "localhost"
NAME = "slurm_acct_db"
INSTALL_MAX_S = 180.0
# Small files and no durability: an instance's accounting dies with the instance.
OPTIONS = (
    "--no-defaults",
    "--user=mysql",
    "--skip-networking",
    "--innodb-log-file-size=8M",
    "--innodb-buffer-pool-size=64M",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-lock-wait-timeout=900",
    "--performance-schema=OFF",
    "--skip-log-bin",
)
GRANTS = f"create database if not exists {NAME}; grant all on {NAME}.* to slurm@localhost identified via unix_socket;"


class Database(Service):
    """mariadbd with an empty accounting database that the user slurm may fill."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._data = sandbox.folder / "mariadb"
        argv = ["mariadbd", *OPTIONS, f"--datadir={self._data}", f"--socket={SOCKET}", f"--tmpdir={self._data}"]
        super().__init__(sandbox, "mariadbd", argv, self._answers)

    def start(self) -> None:
        self._sandbox.run(["install", "-d", "-o", "mysql", "-g", "mysql", "/run/mysqld"])
        _copy_tree(cached_folder(f"mariadb-{_key()}", self._install_tables), self._data)
        self._sandbox.run(["chown", "-R", "mysql:mysql", str(self._data)])
        super().start()

    def _answers(self) -> bool:
        asked = self._sandbox.run(["mariadb", "--no-defaults", f"--socket={SOCKET}", "-e", GRANTS], check=False)
        return asked.returncode == 0

    def _install_tables(self, place: Path) -> None:
        """Makes the tables in the instance's folder, which the user mysql reaches wherever the cache is."""
        made = self._sandbox.make_folder("mariadb-new", owner="mysql")
        options = ["--auth-root-authentication-method=socket", "--skip-test-db", "--skip-name-resolve"]
        self._sandbox.run(["mariadb-install-db", *OPTIONS, f"--datadir={made}", *options], timeout_s=INSTALL_MAX_S)
        _copy_tree(made, place)
        shutil.rmtree(made)


def _key() -> str:
    """Tables are of one server's version and our options."""
    version = subprocess.run(["mariadbd", "--version"], capture_output=True, text=True, check=True).stdout
    return hashlib.sha256(f"{version}{OPTIONS}".encode()).hexdigest()[:12]


def _copy_tree(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", "--reflink=auto", f"{source}/.", str(target)], check=True)
