"""Settings of the graph: where the Neo4j server is into which the hub projects what it knows of the cluster.

Part of `config.hub`; read by `hub.graph` and by `slurmlens graph`.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from slurmlens.config.setting import Settings, setting

_SCHEMES = ("bolt", "bolt+s", "neo4j", "neo4j+s")


class GraphConfig(Settings):
    """A copy of the inventory and of recent jobs in Neo4j, kept up with what changes."""

    url: str = setting("bolt://127.0.0.1:7687", "the server; bolt+s or neo4j+s for TLS")
    user: str | None = setting(None, "as whom; without it the server must ask for nothing", example='"neo4j"')
    password_file: Path | None = setting(
        None, "holds the password on one line; must not be open to everybody", example='"/etc/slurmlens/neo4j-password"'
    )
    database: str = setting("neo4j", "name of the database in the server")
    jobs_days: float = setting(90.0, "jobs that ended longer ago are not in the graph", minimum=1, maximum=36_500)
    timeout_s: float = setting(20.0, "for connecting, and for one transaction", minimum=1, maximum=600)

    def problems(self) -> Iterator[tuple[str, str]]:
        if find_spec("neo4j") is None:
            yield "url", "the graph needs the package neo4j, which is not here: pip install 'slurmlens[graph]'"
        parts = urlsplit(self.url)
        if parts.scheme not in _SCHEMES or not parts.hostname:
            yield "url", f"{self.url!r} is no address of Neo4j: use bolt://HOST:7687"
        if (self.user is None) != (self.password_file is None):
            yield "user", "user and password_file go together"
