"""What stands in `database.url`: which database, and whether it can be one at all; pure.

Owns the reading of that one setting, so that the loader, `slurmlens validate` and the hub agree on it. SQLAlchemy reads
it again when the database is opened; what it would say in its own words, or take in silence, is said here.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

DRIVERS = {
    "sqlite": "sqlite3",
    "sqlite+pysqlite": "sqlite3",
    "sqlite+aiosqlite": "sqlite3",
    "postgresql": "psycopg",
    "postgresql+psycopg": "psycopg",
    "postgresql+asyncpg": "psycopg",
}
"""Each scheme with the package that speaks it; those of asynchronous drivers stand in settings of earlier releases."""

_HOW = "use sqlite:////PATH (four slashes) or postgresql://USER@HOST/NAME"
_POSTGRESQL_PORT = 5432


class Server(NamedTuple):
    """Where a database server listens."""

    host: str
    port: int


def problem_of(url: str) -> str | None:
    """Why no hub could keep its data there, with what to write instead; None where it could."""
    scheme = url.partition("://")[0]
    if scheme not in DRIVERS:
        return f"no driver {scheme!r}: {_HOW}"
    if scheme.startswith("sqlite"):
        return _sqlite_problem(url)
    try:
        parts = urlsplit(url)
        if parts.port == 0:
            return "port 0 is none: write the server's, or leave it out"
    except ValueError as error:
        return f"{str(error)[:80]}: write USER@HOST:PORT/NAME with a port from 1 to 65535"
    return None if parts.path.strip("/") else f"names no database: {_HOW}"


def _sqlite_problem(url: str) -> str | None:
    rest = url.partition("://")[2]
    if not rest.startswith("/"):
        return f"SQLite has no host: {_HOW}"
    path = rest.partition("?")[0].removeprefix("/")
    if path in ("", ":memory:") or path.startswith("file:") or "mode=memory" in rest:
        return f"a database in memory forgets every job when the hub ends: {_HOW}"
    if not path.startswith("/"):
        return f"{path!r} is relative, and depends on where the hub is started: {_HOW}"
    return None


def sqlite_path(url: str) -> Path | None:
    """The file of an SQLite database; None for a server's."""
    scheme, _, rest = url.partition("://")
    return Path(unquote(rest.removeprefix("/").partition("?")[0])) if scheme.startswith("sqlite") else None


def server_of(url: str) -> Server | None:
    """Host and port of a database server; None for SQLite, and for a server's socket on this machine."""
    parts = urlsplit(url)
    if sqlite_path(url) is not None or not parts.hostname:
        return None
    return Server(parts.hostname, parts.port or _POSTGRESQL_PORT)
