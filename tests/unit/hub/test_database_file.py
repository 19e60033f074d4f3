"""One hub has a database, nobody else gets at it, and a hub whose file is gone does not go on as if it were there."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurmlens.errors import ConfigError
from slurmlens.hub.database.database_file import DatabaseBegin, DatabaseFile, DatabaseGone, held
from slurmlens.hub.database.store import Store


@pytest.fixture
def open_umask() -> Iterator[None]:
    former = os.umask(0)
    yield
    os.umask(former)


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


def test_a_second_hub_is_refused_and_the_next_one_is_not(tmp_path: Path) -> None:
    url = url_of(tmp_path / "hub.sqlite3")
    with held(url), pytest.raises(ConfigError, match=r"another hub has it open"), held(url):
        pass
    with held(url):
        pass


@pytest.mark.usefixtures("open_umask")
async def test_others_never_get_at_the_data_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "data" / "hub.sqlite3"
    with held(url_of(path)):
        store = await Store.open(url_of(path))
        modes = await store.write(lambda _: {file.name: file.stat().st_mode & 0o007 for file in path.parent.iterdir()})
        assert "hub.sqlite3-wal" in modes
        await store.close()
    assert set(modes.values()) == {0}
    assert path.parent.stat().st_mode & 0o007 == 0


def test_what_others_could_read_of_a_database_of_before_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite3"
    path.touch(0o644)
    path.chmod(0o644)
    with held(url_of(path)):
        assert path.stat().st_mode & 0o777 == 0o640


def test_a_mode_that_is_narrower_stays_so(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite3"
    path.touch()
    path.chmod(0o600)
    with held(url_of(path)):
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("harm", ["removed", "replaced"])
async def test_a_file_that_is_taken_away_ends_the_hub(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "hub.sqlite3"
    with held(url_of(path)) as database:
        assert database is not None
        watching = asyncio.create_task(database.watch(every_s=0))
        await asyncio.sleep(0)
        assert not watching.done()
        if harm == "replaced":
            (tmp_path / "other").touch()
            (tmp_path / "other").rename(path)
        else:
            path.unlink()
        with pytest.raises(DatabaseGone, match="removed or replaced"):
            await watching


def test_a_database_server_needs_no_file() -> None:
    with held("postgresql+asyncpg://u@h/d") as database:
        assert database is None


def begin_of(url: str) -> DatabaseBegin:
    with held(url) as database:
        assert isinstance(database, DatabaseFile)
        return database.state().begin


async def test_the_next_hub_knows_whether_the_file_is_the_one_that_the_last_hub_had(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite3"
    assert begin_of(url_of(path)) is DatabaseBegin.NEW
    await (await Store.open(url_of(path))).close()
    assert begin_of(url_of(path)) is DatabaseBegin.SAME
    restored = tmp_path / "backup"
    restored.write_bytes(path.read_bytes())
    restored.rename(path)
    assert begin_of(url_of(path)) is DatabaseBegin.REPLACED
    path.unlink()
    assert begin_of(url_of(path)) is DatabaseBegin.MISSING


def test_a_lock_file_of_an_earlier_release_says_nothing_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite3"
    path.write_bytes(b"something")
    (tmp_path / ".hub.sqlite3.in-use").touch()
    assert begin_of(url_of(path)) is DatabaseBegin.NEW


def test_a_file_that_goes_while_it_is_open_is_said_to_be_gone(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite3"
    with held(url_of(path)) as database:
        assert isinstance(database, DatabaseFile)
        assert database.state().is_there
        path.unlink()
        assert not database.state().is_there
