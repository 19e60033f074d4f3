"""Whether each service does what it is there for, asked from outside: `slurmlens stack status`.

An open port proves nothing: a metric is written and read back, an event sent and found at the hub, the graph asked for
what the scheduler has, a document indexed and searched, the scheduler pinged. Each proof is a function of the stack
that returns what was seen, or raises DeployError with what is wrong; one that fails spoils no other.
"""

from __future__ import annotations

import json
import secrets
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from deploy import json_client
from deploy.components import neo4j
from deploy.errors import DeployError
from deploy.whole.description import named
from deploy.whole.running import Running

PATIENCE_S = 20.0
POLL_S = 0.3
NOT_UP = ("given up", "starting", "ended")
BEATS_WINDOW, BEATS_JSON, BEATS_ACK = b"2W", b"2J", b"2A"
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Proof:
    """What was seen of one service."""

    service: str
    is_good: bool
    said: str


def prove(stack: Running) -> list[Proof]:
    """Every service of the stack, in the order of its description."""
    return [proof_of(stack, name) for name in stack.record.rows]


def proof_of(stack: Running, service: str) -> Proof:
    """Of one service."""
    ask = PROOFS[named(service).proof]
    said = next((one for one in stack.record.services if one.name == service), None)
    if said is not None and said.state in NOT_UP:
        return Proof(service, False, f"{said.state}: {said.said.splitlines()[0] if said.said else 'not ready yet'}")
    try:
        return Proof(service, True, ask(stack))
    except (DeployError, OSError, KeyError, IndexError, ValueError) as error:
        return Proof(service, False, " ".join(str(error).split())[:300] or type(error).__name__)


def _runs(stack: Running) -> str:
    return "its process runs"


def _munge(stack: Running) -> str:
    stack.run("sh", "-c", "munge --no-input | unmunge --output=/dev/null")
    return "a credential was made and read"


def _consul(stack: Running) -> str:
    url, token = stack.address("consul"), secrets.token_hex(8)
    json_client.put(f"{url}/v1/kv/stack/proof", token.encode())
    if token not in json_client.text(f"{url}/v1/kv/stack/proof?raw"):
        raise DeployError("what was written was not read back")
    services = json_client.get(f"{url}/v1/agent/services")
    return f"a key was written and read; services: {_counted(one['Service'] for one in services.values())}"


def _slurmdbd(stack: Running) -> str:
    clusters = stack.run("sacctmgr", "-nP", "list", "cluster", "format=cluster").split()
    if not clusters:
        raise DeployError("it knows no cluster")
    return f"it knows cluster {', '.join(clusters)}"


def _slurmctld(stack: Running) -> str:
    said = stack.run("scontrol", "ping").strip()
    if not said.endswith("UP"):
        raise DeployError(said)
    return said


def _membership(stack: Running) -> str:
    """Nodes of Slurm are those that are registered in Consul."""

    def alike() -> str | None:
        found = json_client.get(f"{stack.address('consul')}/v1/health/service/slurmd")
        registered = {one["Service"]["Meta"]["node"] for one in found}
        known = set(stack.run("sinfo", "--noheader", "--Node", "--format=%N").split())
        return f"{len(known)} nodes of Slurm are those in Consul" if registered == known else None

    return _until(alike, "Slurm's nodes are not those in Consul")


def _compute(stack: Running) -> str:
    states = dict(line.split() for line in stack.run("sinfo", "-hNo", "%N %t").splitlines())
    names = stack.nodes
    bad = {
        name: states.get(name, "unknown") for name in names if states.get(name) not in ("idle", "mix", "alloc", "comp")
    }
    if bad:
        raise DeployError("; ".join(f"{name} is {state}" for name, state in bad.items()))
    return f"{len(names)} nodes take jobs" + (f", {len(states) - len(names)} leave" if len(states) > len(names) else "")


def _postgresql(stack: Running) -> str:
    version = stack.database("SELECT version_num FROM alembic_version")
    return f"the hub's tables are there, of schema {version.strip()}"


def _opensearch(stack: Running) -> str:
    url, token = stack.address("opensearch"), secrets.token_hex(8)
    place = f"{url}/slurmlens-stack-proof/_doc/1?refresh=true"
    json_client.put(place, json.dumps({"token": token}).encode(), content_type="application/json")
    found = json_client.get(f"{url}/slurmlens-stack-proof/_search", {"q": f"token:{token}"})
    if found["hits"]["total"]["value"] != 1:
        raise DeployError("what was indexed was not found")
    return "a document was indexed and found"


def _neo4j(stack: Running) -> str:
    """The hub's projection has the nodes that the scheduler has."""
    password, nodes = stack.neo4j_password, len(stack.nodes)

    def counted() -> str | None:
        cypher = "MATCH (p:Partition {name: 'all'})-[:MEMBER]->(n:Node) RETURN count(n)"
        found = neo4j.ask(stack.address("neo4j"), password, cypher)[0][0]
        return f"(:Partition {{name: 'all'}}) has {found} nodes" if found >= nodes else None

    return _until(counted, f"the graph does not have the {nodes} nodes of partition all")


def _logstash(stack: Running) -> str:
    """An event by Beats v2, acknowledged, and in what it wrote."""
    token = secrets.token_hex(8)
    host, _, port = stack.address("logstash").rpartition(":")
    body = json.dumps({"message": "proof", "token": token}).encode()
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        frame = BEATS_JSON + struct.pack(">II", 1, len(body)) + body
        connection.sendall(BEATS_WINDOW + struct.pack(">I", 1) + frame)
        answer = connection.recv(6, socket.MSG_WAITALL)
    if answer != BEATS_ACK + struct.pack(">I", 1):
        raise DeployError("the event was not acknowledged")
    if token not in stack.received_events():
        raise DeployError("the event was acknowledged and not written")
    return "an event was acknowledged and is written"


def _carbon(stack: Running) -> str:
    """A metric that is read back by /render."""
    host, _, port = stack.address("carbon").rpartition(":")
    value, now_s = secrets.randbelow(10**6), int(time.time())
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(f"slurmlens.stack.proof {value} {now_s}\n".encode())

    def seen() -> str | None:
        query = {"target": "slurmlens.stack.proof", "from": now_s - 600, "until": now_s + 120, "format": "json"}
        series = json_client.get(f"{stack.address('render')}/render", query)
        points = [point[0] for one in series for point in one["datapoints"]]
        return f"{value} was written and rendered" if value in points else None

    return _until(seen, "the metric was written and is not rendered")


def _hub(stack: Running) -> str:
    """A log event that is found again, and node daemons that it hears."""
    token = f"proof{secrets.token_hex(6)}"
    forward = ("forward", "--node", stack.nodes[0], "--program", "stack")
    stack.slurmlens(*forward, at="compute", stdin=f"{token} sent by stack status\n")

    def found() -> str | None:
        return f"event {token} was sent and found" if stack.hub("/logs.json", q=token)["rows"] else None

    return _until(found, "a log event was sent and is not found")


def _galaxy(stack: Running) -> str:
    version = json_client.get(f"{stack.address('galaxy')}/api/version")
    return f"it answers as {version['version_major']}"


PROOFS: dict[str, Callable[[Running], str]] = {
    "runs": _runs,
    "munge": _munge,
    "consul": _consul,
    "slurmdbd": _slurmdbd,
    "slurmctld": _slurmctld,
    "membership": _membership,
    "compute": _compute,
    "postgresql": _postgresql,
    "opensearch": _opensearch,
    "neo4j": _neo4j,
    "logstash": _logstash,
    "carbon": _carbon,
    "hub": _hub,
    "galaxy": _galaxy,
}


def _until(look: Callable[[], str | None], problem: str) -> str:
    """What `look` sees in the end; DeployError where it sees nothing within `PATIENCE_S`."""
    deadline_s = time.monotonic() + PATIENCE_S
    while (seen := look()) is None:
        if time.monotonic() > deadline_s:
            raise DeployError(problem)
        time.sleep(POLL_S)
    return seen


def _counted(names: Any) -> str:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"
