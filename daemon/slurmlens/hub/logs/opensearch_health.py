"""How a search server fares, as one value: cluster, nodes, disks, shards, days, what it refused.

Owns the questions; each is one of the servers' own small ones. A server that does not answer is an answer: `away`.
Used by the stores on a search server; shown on the hub's status page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slurmlens.hub.logs.search_server import SearchServer
from slurmlens.hub.logs.store import LogStoreError, StoreDay, StoreHealth, StoreNode

_LEVELS = ("low", "high", "flood_stage")
_BLOCKS = ("read_only_allow_delete", "read_only", "write")
_AS_JSON = {"format": "json", "bytes": "b"}


async def health_of(server: SearchServer, pattern: str, *, is_written: bool) -> StoreHealth:
    """The health of a server, with the indices of a pattern as its days."""
    try:
        return await _asked(server, pattern, is_written)
    except LogStoreError as error:
        return StoreHealth(
            kind="search server", place=server.url, state="away", problem=str(error), is_written=is_written
        )


async def _asked(server: SearchServer, pattern: str, is_written: bool) -> StoreHealth:
    about = await server.ask("GET", "/")
    cluster = await server.ask("GET", "/_cluster/health")
    days = await _days(server, pattern)
    version = about.get("version", {}) if isinstance(about, Mapping) else {}
    return StoreHealth(
        kind="OpenSearch" if version.get("distribution") == "opensearch" else "Elasticsearch",
        place=server.url,
        state=str(cluster["status"]),
        problem=_problem(cluster, days),
        version=version.get("number"),
        nodes=await _nodes(server),
        days=days,
        shards=int(cluster["active_shards"]),
        unassigned_shards=int(cluster["unassigned_shards"]),
        watermarks=await _watermarks(server),
        is_written=is_written,
    )


def _problem(cluster: Mapping[str, Any], days: Sequence[StoreDay]) -> str | None:
    closed = [day.name for day in days if day.is_read_only]
    if closed:
        return f"{closed[0]} is read-only: free disk (its flood-stage watermark), or lower [logs] keep_days"
    if cluster["status"] == "red":
        return "a part of the lines is not there: GET _cluster/allocation/explain says why"
    lacking = [day.name for day in days if day.state == "yellow"]  # indices of others are theirs to mend
    if lacking:
        return f"copies of {lacking[0]} have no machine: lower [logs.opensearch] replicas, or add a machine"
    return None


async def _nodes(server: SearchServer) -> tuple[StoreNode, ...]:
    rows = await server.ask("GET", "/_cat/nodes", parameters=_AS_JSON | {"h": "name,heap.percent,disk.used_percent"})
    pools = await server.ask("GET", "/_cat/thread_pool/write", parameters=_AS_JSON | {"h": "node_name,rejected"})
    rejected = {row["node_name"]: int(row["rejected"]) for row in pools}
    return tuple(
        StoreNode(
            row["name"],
            _number(row.get("heap.percent"), int),
            _number(row.get("disk.used_percent"), float),
            rejected.get(row["name"], 0),
        )
        for row in sorted(rows, key=lambda row: str(row["name"]))
    )


async def _days(server: SearchServer, pattern: str) -> tuple[StoreDay, ...]:
    columns = {"h": "index,docs.count,store.size,health", "s": "index"}
    rows = await server.ask("GET", f"/_cat/indices/{pattern}", parameters=_AS_JSON | columns)
    blocks = await server.ask("GET", f"/{pattern}/_settings", parameters={"filter_path": "*.settings.index.blocks"})
    closed = {
        name
        for name, told in blocks.items()
        if any(told["settings"]["index"]["blocks"].get(block) == "true" for block in _BLOCKS)
    }
    return tuple(
        StoreDay(
            row["index"],
            _number(row.get("docs.count"), int),
            _number(row.get("store.size"), int),
            str(row.get("health") or ""),
            row["index"] in closed,
        )
        for row in rows
    )


async def _watermarks(server: SearchServer) -> tuple[str, ...]:
    """Low, high and flood stage: what is set wins over the server's defaults."""
    path = "cluster.routing.allocation.disk.watermark"
    question = {"include_defaults": "true", "filter_path": f"*.{path}"}
    told = await server.ask("GET", "/_cluster/settings", parameters=question)
    found: dict[str, str] = {}
    for layer in ("defaults", "persistent", "transient"):
        inside = told.get(layer, {})
        for name in path.split("."):
            inside = inside.get(name, {})
        found |= {level: inside[level] for level in _LEVELS if level in inside}
    return tuple(found.values())


def _number(text: Any, kind: type[Any]) -> Any:
    try:
        return kind(text)
    except (TypeError, ValueError):
        return None
