"""`slurmlens validate` and the hub's own start say the same of a hub that cannot start, and change nothing."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from slurmlens.cli.main import main as slurmlens
from slurmlens.hub.main import main as hub

TOKEN = "0123456789abcdef"


def tokens(folder: Path, text: str, mode: int = 0o600) -> str:
    path = folder / "tokens"
    path.write_text(text)
    path.chmod(mode)
    return f'[auth]\nmunge = false\ntoken_file = "{path}"\n'


def database(url: str) -> str:
    return f'[database]\nurl = "{url}"\n'


def file_of(folder: Path, name: str, content: bytes | None) -> str:
    path = folder / name
    path.mkdir() if content is None else path.write_bytes(content)
    return database(f"sqlite:///{path}")


def proxy_secret(folder: Path) -> str:
    (folder / "secret").write_text("a secret of the proxy")
    (folder / "secret").chmod(0o644)
    return f'[access.proxy]\nsecret_file = "{folder}/secret"\n'


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


CANNOT_START: dict[str, tuple[Callable[[Path], str], str]] = {
    "no token file": (lambda at: f'[auth]\ntoken_file = "{at}/none"\n', "none: auth.token_file: cannot be read"),
    "a token file for everybody": (lambda at: tokens(at, f"n1 {TOKEN}\n", 0o644), "others may read it"),
    "a token file that its group may write": (lambda at: tokens(at, f"n1 {TOKEN}\n", 0o660), "its group may write"),
    "a short token": (lambda at: tokens(at, "n1 short\n"), "tokens:1: a line is NODE TOKEN"),
    "one token for two nodes": (lambda at: tokens(at, f"n1 {TOKEN}\nn2 {TOKEN}\n"), "tokens:2: n2 has the token of n1"),
    "a driver that is none": (lambda at: database(f"sqlite+none:///{at}/a"), ":2: database.url: no driver"),
    "a database that is a folder": (lambda at: file_of(at, "folder", None), "folder is a folder"),
    "a database that is something else": (lambda at: file_of(at, "text", b"words\n" * 9), "is no SQLite database"),
    "a database in memory": (lambda at: database("sqlite://"), ":2: database.url: "),
    "a database in memory, in full": (lambda at: database("sqlite:///:memory:"), "in memory forgets"),
    "a relative database": (lambda at: database("sqlite:///hub.sqlite3"), "'hub.sqlite3' is relative"),
    "a port that is no number": (lambda at: database("postgresql+asyncpg://u@h:abc/d"), ":2: database.url: Port"),
    "no name of a database": (lambda at: database("postgresql+asyncpg://u@127.0.0.1"), "names no database"),
    "a server that does not resolve": (
        lambda at: database("postgresql+asyncpg://u@no-such-host.invalid/d"),
        "'no-such-host.invalid' does not resolve",
    ),
    "a server that does not answer": (
        lambda at: database(f"postgresql+asyncpg://u@127.0.0.1:{closed_port()}/d"),
        "nobody answers at 127.0.0.1:",
    ),
    "a host that does not resolve": (lambda at: '[listen]\nhost = "no-such-host.invalid"\n', "does not resolve"),
    "a host that is not here": (
        lambda at: '[listen]\nhost = "192.0.2.1"\n',
        ":2: listen.host: 192.0.2.1 is no address",
    ),
    "no certificate": (
        lambda at: f'[listen]\ncertificate_file = "{at}/c.pem"\nkey_file = "{at}/k.pem"\n',
        "listen.certificate_file",
    ),
    "a proxy's secret that all may read": (proxy_secret, "others may read it"),
    "a proxy without a secret": (lambda _: "[access.proxy]\n", "an address alone proves nothing"),
}


def written(folder: Path, text: str) -> Path:
    path = folder / "hub.toml"
    if "[database]" not in text:
        text += database(f"sqlite:///{folder}/data/hub.sqlite3")
    path.write_text(f"{text}")
    return path


@pytest.mark.parametrize("case", CANNOT_START.values(), ids=CANNOT_START.keys())
def test_a_hub_that_cannot_start_is_told_before_and_at_its_start(
    case: tuple[Callable[[Path], str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, said = case
    path = written(tmp_path, make(tmp_path))
    before = sorted(tmp_path.rglob("*"))
    assert slurmlens(["validate", str(path)]) == 2
    assert said in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before
    assert hub(["--config", str(path)]) == 2
    assert said in capsys.readouterr().err


def test_a_file_for_another_machine_is_checked_by_its_words_alone(tmp_path: Path) -> None:
    path = written(tmp_path, '[listen]\nhost = "192.0.2.1"\n')
    assert slurmlens(["validate", "--words", str(path)]) == 0


def test_a_hub_that_can_start_is_told_so_and_nothing_is_made(tmp_path: Path) -> None:
    path = written(tmp_path, "[listen]\nport = 0\n")
    assert slurmlens(["validate", str(path)]) == 0
    assert sorted(one.name for one in tmp_path.iterdir()) == ["hub.toml"]


def test_an_address_in_use_is_no_error_of_the_settings(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        path = written(tmp_path, f"[listen]\nport = {listening.getsockname()[1]}\n")
        assert slurmlens(["validate", str(path)]) == 0


def test_a_database_of_before_is_only_read(tmp_path: Path) -> None:
    file = tmp_path / "hub.sqlite3"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE t (a)")
    connection.close()
    before = file.read_bytes(), os.stat(file).st_mtime_ns
    path = written(tmp_path, database(f"sqlite:///{file}"))
    assert slurmlens(["validate", str(path)]) == 0
    assert (file.read_bytes(), os.stat(file).st_mtime_ns) == before
    assert not list(tmp_path.glob("*-wal"))
