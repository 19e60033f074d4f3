"""A stack in containers: found by its name, seen from outside, and ended with all that an engine made for it.

`FOLDERS/NAME` holds what `compose.write` wrote and, in `engine`, which engine it is for; it is made by `up` alone, in
one step, so that a name is taken once. What the engine makes bears Compose's labels of the project, by which it is
found again: containers, volumes and networks. The engine keeps containers up (`restart` in the Compose file); nothing
of ours runs between two commands.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.components.postgresql import SUPERUSER
from deploy.errors import DeployError, MachineLacks
from deploy.whole.compose import MOST_RESTARTS, WITHIN
from deploy.whole.containerfiles import TREE
from deploy.whole.description import ServiceDescription, named
from deploy.whole.record import ServiceRecord, StackRecord
from deploy.whole.running import Running, told

FOLDERS = Path("/var/lib/slurmlens-stacks")
COMPOSE = {"podman": ("podman-compose",), "docker": ("docker", "compose")}
"""Each engine with what brings a Compose file up."""
PROJECT, SERVICE = "com.docker.compose.project", "com.docker.compose.service"
SERVICES_FILE, COMPUTE_FILE = "services", "compute"
LEAVE = "USR1"
"""A compute container that gets it takes itself out of Consul, and ends when Slurm has its node no more."""
STOP_GRACE_S = 10
STOP_MAX_S = 180.0
UP_MAX_S = 300.0
ADDRESS_NAMES = {("carbon", "render"): "render", ("neo4j", "bolt"): "bolt"}
"""Of ports that do not bear their service's name."""
URLS = {"hub", "consul", "render", "opensearch", "neo4j"}
"""Addresses that are URLs; the others are HOST:PORT."""
HOLDS = {"running": "up", "restarting": "starting", "created": "starting", "initialized": "starting"}
"""An engine's word for a container's state, in ours; any other has ended."""


@dataclass(frozen=True)
class Engine:
    """Podman or Docker, asked for what it made for one project."""

    name: str
    project: str

    def run(self, *words: str, stdin: str = "", most_s: float = 60.0) -> str:
        """What the engine prints; DeployError with its words."""
        return told([self.name, *words], [self.name, *words], stdin, most_s)

    def compose_up(self, folder: Path) -> None:
        """Makes and starts the containers of the Compose file that are not there."""
        command = [*COMPOSE[self.name], "-p", self.project, "-f", str(folder / "compose.yaml")]
        told([*command, "up", "-d"], command, most_s=UP_MAX_S)

    def scale(self, folder: Path, compute: int) -> None:
        """So many containers of compute nodes, as in the Compose file: further ones, or the newest shall leave."""
        made = self.compute()
        if leaving := [one["Id"] for one in made[compute:] if one["State"]["Status"] == "running"]:
            self.run("kill", "--signal", LEAVE, *leaving)
        if compute > len(made):
            self.compose_up(folder)

    def remove_left(self, compute: int) -> list[str]:
        """Removes those beyond so many that have left; the host names of those that have not."""
        leaving = self.compute()[compute:]
        if left := [one["Id"] for one in leaving if HOLDS.get(one["State"]["Status"]) is None]:
            self.run("rm", "-v", *left)
        return [one["Config"]["Hostname"] for one in leaving if one["Id"] not in left]

    def compute(self) -> list[dict[str, Any]]:
        """What the engine tells of the containers of compute nodes."""
        return [one for one in self.containers() if one["Config"]["Labels"][SERVICE] == "compute"]

    def ids(self, *kind: str) -> list[str]:
        """Of its containers, volumes or networks: `kind` is the command that lists them."""
        return self.run(*kind, "-q", "--filter", f"label={PROJECT}={self.project}").split()

    def containers(self) -> list[dict[str, Any]]:
        """What the engine tells of each container, in the order in which they were made."""
        ids = self.ids("ps", "-a", "--no-trunc")
        found: list[dict[str, Any]] = json.loads(self.run("inspect", *ids)) if ids else []
        return sorted(found, key=lambda one: (one["Created"], one["Name"]))

    def remove_all(self) -> None:
        """Ends and removes everything of the project."""
        if containers := self.ids("ps", "-a"):
            self.run("stop", "-t", str(STOP_GRACE_S), *containers, most_s=STOP_MAX_S)
            self.run("rm", "-f", "-v", *containers, most_s=STOP_MAX_S)
        for kind in ("volume", "network"):
            if names := self.ids(kind, "ls"):
                self.run(kind, "rm", *names)


class RunningContainers(Running):
    """A stack in containers; `record` is what the engine told when it was made."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.engine = engine
        self._containers: dict[str, list[dict[str, Any]]] = {}
        for one in engine.containers():
            self._containers.setdefault(one["Config"]["Labels"][SERVICE], []).append(one)
        rows = [named(name) for name in (folder / SERVICES_FILE).read_text().split()]
        self.folder = folder
        super().__init__(folder, self._record(folder.name, rows))

    @property
    def rows(self) -> list[ServiceDescription]:
        """Its services."""
        return [named(name) for name in self.record.rows]

    @property
    def nodes(self) -> Sequence[str]:
        """Those that are to stay."""
        wanted = int((self.folder / COMPUTE_FILE).read_text())
        return [one["Config"]["Hostname"] for one in self._containers.get("compute", [])[:wanted]]

    def run(
        self,
        *argv: str,
        at: str = "slurmctld",
        user: str | None = None,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
    ) -> str:
        options = [f"--env={key}={value}" for key, value in (env or {}).items()]
        become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
        words = ["exec", "-i", *options, self.container(at), *become, *argv]
        return told([self.engine.name, *words], argv, stdin)

    def container(self, service: str) -> str:
        """The id of its first container; DeployError names the services where there is none."""
        if service not in self._containers:
            raise DeployError(f"no container of {service!r}: {', '.join(sorted(self._containers))}")
        return str(self._containers[service][0]["Id"])

    def slurmlens(self, *words: str, at: str = "hub", stdin: str = "") -> str:
        where = "127.0.0.1" if at == "hub" else "hub"
        return self.run(f"{TREE}/bin/slurmlens", *words, "--hub", f"http://{where}:6830", at=at, stdin=stdin)

    def database(self, statement: str) -> str:
        psql = ("psql", "-h127.0.0.1", f"-U{SUPERUSER}", "-XAtc", statement, "postgres")
        password = (self.folder / "secrets/postgresql").read_text()
        return self.run(*psql, at="postgresql", env={"PGPASSWORD": password})

    def received_events(self) -> str:
        return self.run("cat", "/var/lib/logstash/events.ndjson", at="logstash")

    @property
    def neo4j_password(self) -> str:
        return ""

    def _record(self, name: str, rows: Sequence[ServiceDescription]) -> StackRecord:
        services = [state for row in rows if row.name not in WITHIN for state in self._states(row)]
        phase = "up" if all(one.state == "up" for one in services) else "failed"
        compute = list(range(int((self.folder / COMPUTE_FILE).read_text())))
        addresses = dict(self._addresses(rows))
        return StackRecord(
            name, phase, rows=[row.name for row in rows], compute=compute, services=services, addresses=addresses
        )

    def _states(self, row: ServiceDescription) -> Iterator[ServiceRecord]:
        made = self._containers.get(row.name, [])
        if not made:
            yield ServiceRecord(row.name, "ended", said="there is no container of it")
        for number, one in enumerate(made):
            state, restarts = HOLDS.get(one["State"]["Status"], "ended"), int(one["RestartCount"])
            if state == "ended" and restarts >= MOST_RESTARTS:
                state = "given up"
            said = "" if state == "up" else f"exit status {one['State']['ExitCode']}; {self._last_words(one)}"
            name = f"{one['Config']['Hostname']}-{row.name}{number}" if row.grows else row.name
            yield ServiceRecord(name, state, restarts, said)

    def _last_words(self, container: Mapping[str, Any]) -> str:
        command = [self.engine.name, "logs", "--tail", "3", container["Id"]]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return " ".join(done.stdout.split())[-300:] or "it said nothing"

    def _addresses(self, rows: Sequence[ServiceDescription]) -> Iterator[tuple[str, str]]:
        for row in rows:
            for container in self._containers.get(row.name, [])[:1]:
                bound = container["NetworkSettings"]["Ports"] or {}
                for port in (one for one in row.ports if one.is_published):
                    for at in (bound.get(f"{port.number}/tcp") or [])[:1]:
                        name = ADDRESS_NAMES.get((row.name, port.name), row.name)
                        place = f"127.0.0.1:{at['HostPort']}"
                        yield name, f"http://{place}" if name in URLS else place


def claim(name: str, engine: str) -> Engine:
    """Takes the name for a stack in containers; its folder is then there. DeployError where it is taken."""
    if engine not in COMPOSE:
        raise DeployError(f"--in {engine}: say {' or '.join(COMPOSE)}")
    for program in (engine, COMPOSE[engine][0]):
        if shutil.which(program) is None:
            raise MachineLacks(f"{program} is not there: install it, or use `slurmlens stack up` without --in")
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,40}", name):
        raise DeployError(f"--name {name!r}: for containers, small letters, digits, - and _, 41 at most")
    if os.geteuid() != 0:
        raise MachineLacks("the stack in containers has one that writes cgroups: run as root")
    FOLDERS.mkdir(mode=0o700, exist_ok=True)
    unnamed = Path(tempfile.mkdtemp(prefix=".new-", dir=FOLDERS))
    (unnamed / "engine").write_text(engine)
    try:
        unnamed.rename(FOLDERS / name)  # onto a folder that is not empty this fails
    except OSError:
        shutil.rmtree(unnamed)
        raise DeployError(f"stack {name!r} is there already: give this one another --name, or take that down") from None
    return Engine(engine, project(name))


def engine_of(name: str) -> Engine | None:
    """The engine of the stack of that name; None where no stack in containers has it."""
    try:
        return Engine((FOLDERS / name / "engine").read_text(), project(name))
    except OSError:  # also where it is another user's
        return None


def find(name: str) -> RunningContainers | None:
    """The stack in containers of that name, where there is one."""
    engine = engine_of(name)
    return RunningContainers(FOLDERS / name, engine) if engine and (FOLDERS / name / SERVICES_FILE).exists() else None


def names() -> list[str]:
    """Of all stacks in containers."""
    return sorted(place.parent.name for place in FOLDERS.glob("[!.]*/engine"))


def remove(engine: Engine, name: str) -> None:
    """Ends the stack; what the engine made for it is gone, and the folder with its secrets."""
    engine.remove_all()
    shutil.rmtree(FOLDERS / name)
    with contextlib.suppress(OSError):
        FOLDERS.rmdir()  # the last one's


def project(name: str) -> str:
    """Compose's name of it, with which those of its containers and volumes begin."""
    return f"slurmlens-{name}"
