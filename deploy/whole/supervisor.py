"""Keeps a stack up: starts its services in order, starts again what dies, scales compute, and ends everything.

One process, the owner of the stack's sandbox: when it ends, however it ends, everything of the stack is gone. Started
by `slurmlens stack up`, asked over `control.sock` in the stack's folder (one JSON line each way), ended by SIGTERM. A
service that dies is started again after a pause that doubles; after `MOST_RESTARTS` within `RESTARTS_WITHIN_S` it is
given up, and says so. It says how it fares in `stack.json`.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.component import Component
from deploy.components.galaxy import READY_MAX_S as GALAXY_MAX_S
from deploy.errors import ComponentFailed, DeployError
from deploy.sandbox import Sandbox
from deploy.whole import description
from deploy.whole.processes import Processes
from deploy.whole.record import ServiceRecord, StackRecord

CONTROL = "control.sock"
LOOK_S = 0.5
UP_MAX_S = 300.0
START_POLL_S = 0.1
MOST_RESTARTS, RESTARTS_WITHIN_S = 5, 300.0
LONGEST_PAUSE_S = 16.0
MOST_COMPUTE = 64
REQUEST_MAX_BYTES = 4096


@dataclass
class _All:
    """Several components, ready when all are."""

    name: str
    components: Sequence[Component]

    def start(self) -> None:
        """They are started one by one."""

    def ready(self) -> bool:
        ready = [component.ready() for component in self.components]  # each is asked: one that has ended says so
        return all(ready)

    def stop(self) -> None:
        """They are ended one by one."""


@dataclass
class _Restarts:
    """When a service was started again, and not before when it is next."""

    at_s: deque[float] = field(default_factory=deque)
    not_before_s: float = 0.0

    def may(self, now_s: float) -> bool | None:
        """Whether to start it now; None where it died too often to be tried any more."""
        while self.at_s and self.at_s[0] < now_s - RESTARTS_WITHIN_S:
            self.at_s.popleft()
        if len(self.at_s) >= MOST_RESTARTS:
            return None
        return now_s >= self.not_before_s

    def note(self, now_s: float) -> None:
        self.at_s.append(now_s)
        self.not_before_s = now_s + min(LONGEST_PAUSE_S, 2.0 ** (len(self.at_s) - 1))


class Supervisor:
    """One stack, in a started sandbox."""

    def __init__(
        self, name: str, sandbox: Sandbox, rows: Sequence[description.ServiceDescription], ports: Mapping[str, int]
    ) -> None:
        self.record = StackRecord(name, "starting", rows=[row.name for row in rows])
        self._sandbox, self._rows = sandbox, rows
        self._states: dict[str, ServiceRecord] = {}
        self._restarts: dict[str, _Restarts] = {}
        self._leaving: set[int] = set()
        self._wanted: set[int] = set()
        self._has_ended = False
        self.processes = Processes(sandbox, rows, ports)
        self.record.addresses = self._addresses()

    def up(self, compute: int) -> None:
        """Starts everything; ComponentFailed names the service that did not come up."""
        began_s = time.monotonic()
        waiting = {row.name: row for row in self._rows}
        starting: dict[str, Component] = {}
        while waiting:
            for name, row in waiting.items():
                if name not in starting and not waiting.keys() & set(row.needs):
                    starting |= self._begin(row, compute)
            self._write()
            for name in self._come_up(starting, began_s):
                waiting.pop(name, None)
            time.sleep(START_POLL_S)
        self.record.phase = "up"
        self._write()

    def keep(self) -> None:
        """Looks after everything until `end` is called."""
        with _listening(self._sandbox.folder / CONTROL) as listener:
            while not self._has_ended:
                self._answer(listener)
                self._look_after_services()
                self._look_after_compute()
                self._write()

    def end(self) -> None:
        """Has `keep` return."""
        self._has_ended = True

    def scale(self, count: int) -> str:
        """So many compute nodes; the newest leave first. Those that leave are drained before they end."""
        if not 0 <= count <= MOST_COMPUTE:
            raise DeployError(f"compute={count}: from 0 to {MOST_COMPUTE}")
        before = len(self._wanted)
        while len(self._wanted) > count:
            number = max(self._wanted)
            self._wanted.discard(number)
            self._leaving.add(number)
            node = self.processes.compute[number]
            node.leave()
            self._set(node.name, "leaving")
        number = 0
        while len(self._wanted) < count:
            if number not in self._wanted and number not in self._leaving:
                self._wanted.add(number)
                self._start_compute(number)
            number += 1
        self._write()
        return f"compute: {before} -> {count}"

    def _start_compute(self, number: int) -> None:
        node = self.processes.compute_node(number)
        self._set(node.name, "starting")
        node.start()

    def _begin(self, row: description.ServiceDescription, compute: int) -> dict[str, Component]:
        """Starts a service, or all compute nodes; what is to be waited for, by name."""
        if not row.grows:
            self._set(row.name, "starting")
            return {row.name: self.processes.start(row.name)}
        self._wanted = set(range(compute))
        for number in sorted(self._wanted):
            self._start_compute(number)
        return {row.name: _All(row.name, [self.processes.compute[number] for number in sorted(self._wanted)])}

    def _come_up(self, starting: dict[str, Component], began_s: float) -> list[str]:
        """The names of those that are ready now; ComponentFailed where one has ended or takes too long."""
        if self._has_ended:
            raise DeployError("ended before it was up")
        up = []
        for name, component in starting.items():
            if component.ready():
                if self._states.get(name) is None or self._states[name].state != "up":
                    self.processes.after(name)
                    up.append(name)
                if not isinstance(component, _All):
                    self._set(name, "up")
            elif time.monotonic() - began_s > (GALAXY_MAX_S if "galaxy" in self.record.rows else UP_MAX_S):
                raise ComponentFailed(name, f"not ready after {UP_MAX_S:.0f} s", getattr(component, "log", None))
        for name in up:
            starting.pop(name)
        return up

    def _look_after_services(self) -> None:
        for row in self._rows:
            if row.grows or self._states[row.name].state == "given up":
                continue
            component = self.processes.component(row.name)
            try:
                self._set(row.name, "up" if component.ready() else "starting")
            except ComponentFailed as error:
                if self._again(row.name, str(error)):
                    component.stop()
                    component.start()

    def _look_after_compute(self) -> None:
        for number in sorted(self._wanted):
            node = self.processes.compute[number]
            try:
                is_ready = node.ready()
                self._set(node.name, "up" if is_ready else "starting")
                node.beat()
            except ComponentFailed as error:
                if self._states[node.name].state != "given up" and self._again(node.name, str(error)):
                    node.restart_ended()
        for number in sorted(self._leaving):
            node = self.processes.compute[number]
            if not node.is_known():
                node.stop()
                self._leaving.discard(number)
                del self.processes.compute[number]
                del self._states[node.name]

    def _again(self, name: str, why: str) -> bool:
        """Whether to start it again now; says how it fares."""
        restarts, now_s = self._restarts.setdefault(name, _Restarts()), time.monotonic()
        may = restarts.may(now_s)
        if may is None:
            self._set(name, "given up", f"it ended {MOST_RESTARTS} times in {RESTARTS_WITHIN_S:.0f} s; last: {why}")
        else:
            self._set(name, "starting", why)
            if may:
                restarts.note(now_s)
                self._states[name].restarts += 1
        return bool(may)

    def _answer(self, listener: socket.socket) -> None:
        """Answers who asks within the next moment."""
        listener.settimeout(LOOK_S)
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(5.0)
                connection.sendall(json.dumps(self._do(connection.recv(REQUEST_MAX_BYTES))).encode() + b"\n")

    def _do(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            if request["do"] != "scale":
                raise DeployError(f"no request {request['do']!r}")
            return {"said": self.scale(int(request["count"]))}
        except (DeployError, ValueError, KeyError, TypeError) as error:
            return {"error": str(error)}

    def _set(self, name: str, state: str, said: str = "") -> None:
        record = self._states.setdefault(name, ServiceRecord(name, state))
        changed = (record.state, record.said) != (state, said)
        record.state, record.said = state, said
        if changed:
            self._write()

    def _write(self) -> None:
        self.record.services = list(self._states.values())
        self.record.compute = sorted(self._wanted)
        self.record.write(self._sandbox.folder)

    def _addresses(self) -> dict[str, str]:
        made = self.processes
        found = {
            "hub": made.hub.url,
            "consul": made.consul.url,
            "carbon": f"127.0.0.1:{made.carbon.port}",
            "render": made.carbon.url,
        }
        found |= {"opensearch": made.opensearch.url} if made.opensearch else {}
        found |= {"neo4j": made.neo4j.query_url} if made.neo4j else {}
        found |= {"logstash": f"127.0.0.1:{made.logstash.port}"} if made.logstash else {}
        found |= {"postgresql": f"127.0.0.1:{made.postgresql.port}"} if made.postgresql else {}
        found |= {"galaxy": made.assessing.galaxy.url} if made.assessing else {}
        return found


@contextlib.contextmanager
def _listening(path: Path) -> Any:
    """A socket for this machine's root alone."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen()
        yield listener


def supervise(name: str, compute: int, rows: Sequence[description.ServiceDescription], ports: Mapping[str, int]) -> int:
    """Brings a stack up and keeps it until SIGTERM; its first line on standard output is the stack's folder."""
    with Sandbox() as sandbox:
        supervisor: Supervisor | None = None

        def end(*_: object) -> None:
            if supervisor is None:
                sys.exit(1)
            supervisor.end()

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        record = StackRecord(name, "starting", rows=[row.name for row in rows])
        record.write(sandbox.folder)
        print(sandbox.folder, flush=True)
        try:
            supervisor = Supervisor(name, sandbox, rows, ports)
            supervisor.up(compute)
            supervisor.keep()
        except DeployError as error:
            failed = supervisor.record if supervisor else record
            failed.phase, failed.said = "failed", str(error)
            failed.write(sandbox.folder)
            print(error, file=sys.stderr, flush=True)
            return 1
        finally:
            if supervisor is not None:
                supervisor.record.phase = "stopping"
                supervisor.record.write(sandbox.folder)
                supervisor.processes.stop()
    return 0
