"""A database URL is one of a database that keeps what it is given, or its fault is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.config.database_url import Server, problem_of, server_of, sqlite_path


@pytest.mark.parametrize("scheme", ["sqlite", "sqlite+pysqlite", "sqlite+aiosqlite"])
def test_a_file_by_its_full_path_is_one(scheme: str) -> None:
    assert problem_of(f"{scheme}:////var/lib/a%20b.sqlite3") is None
    assert sqlite_path(f"{scheme}:////var/lib/a%20b.sqlite3?timeout=3") == Path("/var/lib/a b.sqlite3")
    assert server_of(f"{scheme}:////a") is None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite://", "SQLite has no host"),
        ("sqlite:///", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:///file:x?mode=memory&uri=true", "in memory"),
        ("sqlite:////x?mode=memory", "in memory"),
        ("sqlite:///hub.sqlite3", "relative"),
        ("mysql://u@h/d", "no driver 'mysql'"),
        ("postgresql://u@h:abc/d", "port"),
        ("postgresql://u@h:70000/d", "port"),
        ("postgresql://u@h:0/d", "port"),
        ("postgresql://u@h", "names no database"),
    ],
)
def test_what_would_lose_everything_or_never_open_is_named(url: str, said: str) -> None:
    assert said in str(problem_of(url)).replace("Port", "port")


def test_a_server_listens_where_the_url_says_or_at_postgresqls_own_port() -> None:
    assert server_of("postgresql+asyncpg://u:p@db.example:5433/d") == Server("db.example", 5433)
    assert server_of("postgresql://u@db.example/d") == Server("db.example", 5432)
    assert server_of("postgresql:///d?host=/run/postgresql") is None


@given(
    st.one_of(
        st.text(max_size=40),
        st.sampled_from(["sqlite:///", "postgresql://"]).flatmap(lambda b: st.text(max_size=30).map(lambda t: b + t)),
    )
)
def test_no_text_breaks_the_reading(url: str) -> None:
    if problem_of(url) is None:
        path, server = sqlite_path(url), server_of(url)
        assert path is None or (path.is_absolute() and server is None)
