"""A running stack as `proofs.py` and the commands see it, however it is realised; and one of plain processes.

What differs between processes and containers is here and in `containers.py`: how a program is run beside a service, at
which address a service answers, how one asks the stack's database. A proof knows none of it.
"""

from __future__ import annotations

import json
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from deploy import json_client
from deploy.components import postgresql
from deploy.errors import DeployError
from deploy.instance import MARK, identity
from deploy.sandbox import enter_command
from deploy.slurmlens import program
from deploy.whole import secrets
from deploy.whole.record import StackRecord

RUN_MAX_S = 60.0


@dataclass
class Running(ABC):
    """A running stack, seen from outside; everything of it lies below `folder`."""

    folder: Path
    record: StackRecord

    @property
    @abstractmethod
    def nodes(self) -> Sequence[str]:
        """The NodeNames of its compute nodes."""

    @abstractmethod
    def run(
        self,
        *argv: str,
        at: str = "slurmctld",
        user: str | None = None,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
    ) -> str:
        """What a program prints that runs beside the service `at`; DeployError with its words where it fails."""

    @abstractmethod
    def slurmlens(self, *words: str, at: str = "hub", stdin: str = "") -> str:
        """What our command line prints beside that service, told where the hub is."""

    @abstractmethod
    def database(self, statement: str) -> str:
        """The answer of the hub's PostgreSQL database, as psql prints it unaligned."""

    @abstractmethod
    def received_events(self) -> str:
        """What the service in Logstash's place has written, one JSON document per line."""

    @property
    @abstractmethod
    def neo4j_password(self) -> str:
        """Empty where Neo4j asks for none."""

    def address(self, name: str) -> str:
        """Where a service answers."""
        return self.record.addresses[name]

    def hub(self, path: str, **query: Any) -> Any:
        """A document of the hub's, as the operator."""
        link = urlsplit(self.slurmlens("login").strip())
        outside = link._replace(netloc=urlsplit(self.address("hub")).netloc).geturl()
        browser = json_client.log_in(outside, json_client.new_browser())
        return json_client.get(f"{self.address('hub')}{path}", query or None, browser)


class RunningProcesses(Running):
    """One of plain processes: all of them in one namespace, on this machine's loopback addresses."""

    @property
    def nodes(self) -> Sequence[str]:
        return [f"{identity(self.folder)}-compute{number}" for number in self.record.compute]

    def run(
        self,
        *argv: str,
        at: str = "slurmctld",
        user: str | None = None,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
    ) -> str:
        """All services are in the one namespace, so that `at` makes no difference."""
        holder = int(json.loads((self.folder / MARK).read_text())[-1]["pid"])
        return told(enter_command(holder, self.folder, argv, user=user, env=env), argv, stdin)

    def slurmlens(self, *words: str, at: str = "hub", stdin: str = "") -> str:
        return self.run(str(program("slurmlens")), *words, "--hub", self.address("hub"), at=at, stdin=stdin)

    def database(self, statement: str) -> str:
        port = self.address("postgresql").rpartition(":")[2]
        psql = [str(postgresql.binaries() / "psql"), "-h127.0.0.1", f"-p{port}", f"-U{postgresql.SUPERUSER}", "-XAtc"]
        known = secrets.read(self.folder / "secrets")
        return self.run(*psql, statement, "slurmlens", env={"PGPASSWORD": known.postgresql})

    def received_events(self) -> str:
        return (self.folder / "logstash/events.ndjson").read_text()

    @property
    def neo4j_password(self) -> str:
        return secrets.read(self.folder / "secrets").neo4j


def told(command: Sequence[str], argv: Sequence[str], stdin: str = "", most_s: float = RUN_MAX_S) -> str:
    """What the command prints; DeployError, which names it by `argv`, where it fails or does not end."""
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=most_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise DeployError(f"`{' '.join(argv)}` does not end") from error
    if done.returncode != 0:
        raise DeployError(f"`{' '.join(argv[:3])}`: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout
