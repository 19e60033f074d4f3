"""What a disk can do to the spool: corrupt, foreign, newer, removed, full, read-only, volatile, far away, shared."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from slurmlens.delivery.batches import Stream
from slurmlens.delivery.spool import store
from slurmlens.delivery.spool.place import set_aside
from slurmlens.delivery.spool.writer import VOLATILE_MAX_BYTES
from slurmlens.errors import ConfigError
from testkit.checkout import ROOT
from testkit.mounts import mountinfo
from testkit.spools import KIB, SINKS_AND_LOGS, SpoolSetup, payloads, settled, take_all

NEEDS_MOUNT = pytest.mark.skipif(
    os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0,
    reason="needs root and mount namespaces",
)
PROGRAM = Path(__file__).with_name("programs")


@pytest.fixture
def setup(tmp_path: Path) -> SpoolSetup:
    return SpoolSetup(tmp_path / "spool")


async def filled(setup: SpoolSetup, count: int = 200) -> None:
    """A spool of an earlier life."""
    spool = await setup.opened()
    for number in range(count):
        await spool.append(setup.batch(b"%d-" % number * 100))
    await spool.close()


def scribble(path: Path) -> None:
    """Over the inner pages of a B-tree, as a bad sector does."""
    with path.open("r+b") as file:
        for page in range(1, path.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(b"\xa5" * 64)


def garbage(path: Path) -> None:
    path.write_bytes(b"no database at all\n" * 1000)


def cut_off(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2 + 17)


def of_a_newer_release(path: Path) -> None:
    execute(path, "PRAGMA user_version=99")


def of_somebody_else(path: Path) -> None:
    execute(path, "PRAGMA application_id=1")


def with_another_table(path: Path) -> None:
    execute(path, "ALTER TABLE events RENAME TO happenings")


def with_impossible_values(path: Path) -> None:
    execute(path, "UPDATE events SET lines='many'")


def with_a_cursor_of_no_number(path: Path) -> None:
    execute(path, "INSERT INTO cursors VALUES ('hub', 'far')")


def execute(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (scribble, "corrupt"),
        (garbage, "corrupt"),
        (cut_off, "corrupt"),
        (of_a_newer_release, "version"),
        (of_somebody_else, "foreign"),
        (with_another_table, "corrupt"),
        (with_impossible_values, "corrupt"),
        (with_a_cursor_of_no_number, "corrupt"),
    ],
)
async def test_a_file_of_no_use_is_set_aside_with_its_reason_and_a_new_one_begins(
    setup: SpoolSetup, spoil: Callable[[Path], None], reason: str
) -> None:
    await filled(setup)
    spoil(setup.folder / "spool.sqlite")
    spoiled = (setup.folder / "spool.sqlite").read_bytes()
    spool = await setup.opened()
    await spool.append(setup.batch(b"new"))
    assert setup.safe[-1] == b"new"
    assert await payloads(spool, "hub") == [b"new"]
    await spool.close()
    (aside,) = setup.folder.glob(f"spool.sqlite.{reason}-*")
    assert aside.read_bytes() == spoiled
    assert setup.counted("spool_set_aside", reason=reason) == 1


async def test_of_many_files_that_were_set_aside_the_youngest_are_kept(setup: SpoolSetup) -> None:
    for _ in range(6):
        setup.folder.mkdir(exist_ok=True)
        garbage(setup.folder / "spool.sqlite")
        setup.clock.advance(1)
        await (await setup.opened()).close()
    assert len(list(setup.folder.glob("spool.sqlite.corrupt-*"))) == 3
    assert setup.counted("spool_aside_removed") == 3


async def test_a_payload_that_changed_on_the_disk_is_lost_alone_and_counted(setup: SpoolSetup) -> None:
    await filled(setup, 3)
    execute(setup.folder / "spool.sqlite", "UPDATE events SET payload=replace(payload, '1-', '9-') WHERE position=2")
    execute(setup.folder / "spool.sqlite", "UPDATE events SET payload=12 WHERE position=3")
    spool = await setup.opened()
    assert await take_all(spool, "hub") == [b"0-" * 100]
    await settled(spool)
    assert setup.counted("queue_dropped_lines", reason="corrupt", stream="events") == 2
    assert spool.backlog("file").batches == 1
    await spool.close()
    assert setup.rows(Stream.EVENTS) == [b"0-" * 100]


async def test_a_file_that_goes_bad_while_in_use_costs_what_only_it_had(setup: SpoolSetup) -> None:
    await filled(setup)
    spool = await setup.opened()
    await spool.append(setup.batch(b"still in memory"))
    await spool._writer._disk._in_thread(
        lambda: spool._writer._disk._store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    )
    scribble(setup.folder / "spool.sqlite")
    taken = await take_all(spool, "hub")  # the first few from pages that SQLite still has
    assert len(taken) < 100
    assert taken[-1] == b"still in memory"
    assert setup.counted("queue_dropped_lines", reason="disk_lost") == 200
    await spool.append(setup.batch(b"new"))
    assert setup.safe[-1] == b"new"
    await spool.close()
    second_life = await setup.opened()
    assert await take_all(second_life, "file") == [b"still in memory", b"new"]
    await second_life.close()


async def test_a_spool_that_is_removed_while_in_use_is_begun_anew(setup: SpoolSetup) -> None:
    spool = await setup.opened()
    await spool.append(setup.batch(b"a"))
    for path in setup.folder.iterdir():
        path.unlink()
    setup.folder.rmdir()
    await spool.append(setup.batch(b"b"))
    assert setup.safe == [b"a", b"b"]
    await spool.close()
    second_life = await setup.opened()
    assert await take_all(second_life, "hub") == [b"a", b"b"]
    await second_life.close()


async def test_a_folder_that_appears_later_is_taken_up_with_what_it_holds(setup: SpoolSetup) -> None:
    await filled(setup, 3)
    away = setup.folder.rename(setup.folder.with_name("away"))
    setup.folder.write_bytes(b"in the way")
    spool = await setup.opened()
    assert spool.state.mode == "failing"
    await spool.append(setup.batch(b"meanwhile"))
    assert await payloads(spool, "hub") == [b"meanwhile"]
    given = await spool.read("file", 1000)
    setup.folder.unlink()
    away.rename(setup.folder)
    await spool.retry()
    await spool.acknowledge("file", given[-1].position)
    expected = [b"%d-" % number * 100 for number in range(3)] + [b"meanwhile"]
    assert await take_all(spool, "hub") == await take_all(spool, "file") == expected
    assert setup.counted("spool_recovered") == 1
    await spool.close()


async def test_a_second_daemon_on_the_same_spool_is_told_who_has_it(setup: SpoolSetup) -> None:
    spool = await setup.opened()
    code = (
        "import asyncio, sys; from pathlib import Path; from testkit.spools import SpoolSetup;"
        "asyncio.run(SpoolSetup(Path(sys.argv[1])).opened())"
    )
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(setup.folder), cwd=ROOT / "tests",
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, stderr = await other.communicate()
    assert other.returncode == 1
    assert f"in use by another daemon (process {os.getpid()})".encode() in stderr
    await spool.append(setup.batch(b"unharmed"))
    assert setup.safe == [b"unharmed"]
    await spool.close()


async def test_two_spools_in_one_process_exclude_each_other_too(setup: SpoolSetup) -> None:
    first, second = await setup.opened(), setup.spool()
    with pytest.raises(ConfigError, match=r"spool\.path: .*each needs a spool of its own"):
        await second.open()
    await first.close()
    third = await setup.opened()
    await third.close()


async def test_on_a_network_file_system_everything_stays_in_memory(setup: SpoolSetup, tmp_path: Path) -> None:
    setup.proc_root = mountinfo(
        tmp_path, "20 1 8:1 / / rw - ext4 /dev/sda1 rw", f"21 20 0:45 / {tmp_path} rw - nfs4 server:/export rw"
    )
    spool = await setup.opened()
    await spool.append(setup.batch(b"a"))
    assert (spool.state.mode, setup.safe) == ("memory", [])
    assert not setup.folder.exists()
    await take_all(spool, "hub")
    await take_all(spool, "file")
    assert setup.safe == [b"a"]
    assert setup.counted("spool_memory_only") == 1
    await spool.close()


async def test_on_a_tmpfs_it_is_small_and_says_volatile(setup: SpoolSetup, tmp_path: Path) -> None:
    setup.proc_root = mountinfo(tmp_path, "20 1 0:1 / / rw - tmpfs none rw")
    spool = await setup.opened()
    assert spool.state.mode == "volatile"
    assert spool._writer.max_bytes <= VOLATILE_MAX_BYTES
    assert setup.counted("spool_volatile") == 1
    await spool.append(setup.batch(b"a"))
    assert setup.safe == [b"a"]
    await spool.close()


def in_namespace(program: str, folder: Path) -> str:
    """Run a program of `programs/` where it may mount what it likes."""
    done = subprocess.run(
        ["unshare", "-m", "--propagation", "private", sys.executable, str(PROGRAM / program), str(folder)],
        capture_output=True, text=True, timeout=60, check=False, cwd=ROOT / "tests",
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@NEEDS_MOUNT
def test_a_full_disk_costs_no_event_and_is_over_when_there_is_room_again(tmp_path: Path) -> None:
    assert "complete" in in_namespace("full_disk.py", tmp_path)


@NEEDS_MOUNT
def test_of_log_lines_on_a_full_disk_each_is_delivered_or_counted_once_and_events_pass(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    assert "complete" in in_namespace("full_disk_of_logs.py", tmp_path / "disk")


@NEEDS_MOUNT
def test_a_read_only_disk_costs_no_event_and_is_over_when_it_is_writable_again(tmp_path: Path) -> None:
    assert "complete" in in_namespace("read_only_disk.py", tmp_path)


async def test_a_disk_that_hangs_delays_an_event_by_a_second_at_most(
    setup: SpoolSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slurmlens.delivery.spool.writer.COMMIT_WAIT_S", 0.01)
    spool = await setup.opened()
    apply, goes_on = spool._writer._disk.apply, asyncio.Event()

    async def hanging(change):
        await goes_on.wait()
        await apply(change)

    spool._writer._disk.apply = hanging
    await spool.append(setup.batch(b"a"))
    assert setup.safe == []
    assert await payloads(spool, "hub") == [b"a"]
    goes_on.set()
    await settled(spool)
    assert setup.safe == [b"a"]
    await spool.close()


async def test_metrics_that_neither_disk_nor_sink_takes_are_counted_oldest_first(setup: SpoolSetup) -> None:
    setup.folder.write_bytes(b"in the way")
    spool = await setup.opened()
    made = [b"%03d" % number * 1000 for number in range(100)]
    for payload in made:
        await spool.append(setup.metrics(payload))
    kept = await payloads(spool, "carbon")
    assert kept == made[-len(kept) :]
    assert 55 * KIB < sum(map(len, kept)) <= 64 * KIB
    assert setup.counted("queue_dropped_lines", stream="metrics", reason="memory_limit") == 100 - len(kept)
    await spool.close()
    assert setup.counted("queue_dropped_lines", stream="metrics", reason="stopped") == len(kept)


async def test_a_bug_in_the_spool_is_told_and_costs_no_event(setup: SpoolSetup) -> None:
    spool = await setup.opened()
    apply = spool._writer._disk.apply

    async def broken(change):
        raise KeyError("bug")

    spool._writer._disk.apply = broken
    await spool.append(setup.batch(b"a"))
    assert (spool.state.failure, setup.safe) == ("bug", [])
    spool._writer._disk.apply = apply
    await spool.retry()
    assert setup.safe == [b"a"]
    await spool.close()
    assert setup.rows(Stream.EVENTS) == [b"a"]


async def test_a_log_beside_a_broken_file_is_not_worked_into_the_new_one(setup: SpoolSetup) -> None:
    await filled(setup)
    spool = await setup.opened()
    await spool.append(setup.batch(b"only in the log"))
    crashed = setup.folder.with_name("crashed")
    await spool._writer._disk._in_thread(lambda: shutil.copytree(setup.folder, crashed))
    await spool.close()
    setup.folder = crashed
    scribble(crashed / "spool.sqlite")
    second_life = await setup.opened()
    assert setup.counted("spool_set_aside") == 1
    assert second_life.backlog("hub").batches == 0
    await second_life.close()


def test_the_companions_of_a_file_are_set_aside_with_it(tmp_path: Path) -> None:
    for name in ("spool.sqlite", "spool.sqlite-wal"):
        (tmp_path / name).write_text(name)
    aside = set_aside(tmp_path, "corrupt", 7_000_000_000)
    assert sorted(path.name for path in tmp_path.iterdir()) == [aside.name, f"{aside.name}-wal"]
    assert (aside.name, aside.read_text()) == ("spool.sqlite.corrupt-7", "spool.sqlite")


async def test_a_file_of_an_older_release_is_brought_forward_with_all_it_holds(
    setup: SpoolSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(setup, 3)
    monkeypatch.setattr(store, "SCHEMA_VERSION", 4)
    monkeypatch.setattr(
        store,
        "MIGRATIONS",
        {2: ["ALTER TABLE cursors RENAME TO marks"], 3: ["ALTER TABLE marks RENAME TO cursors"]},
    )
    opened = store.SpoolStore(setup.folder / "spool.sqlite")
    assert len(opened.contents().heads[Stream.EVENTS]) == 3
    opened.close()
    connection = sqlite3.connect(setup.folder / "spool.sqlite")
    assert connection.execute("PRAGMA user_version").fetchone() == (4,)
    connection.close()


async def test_a_file_from_before_log_lines_takes_them_with_all_it_holds(setup: SpoolSetup) -> None:
    await filled(setup, 3)
    connection = sqlite3.connect(setup.folder / "spool.sqlite")
    connection.execute("DROP TABLE logs")  # what release 0.1 wrote had the same tables without this one
    connection.execute("PRAGMA user_version=1")
    connection.close()
    spool = await setup.opened(SINKS_AND_LOGS)
    await spool.append(setup.batch(b"a line\n", Stream.LOGS))
    assert [spool.backlog(name).batches for name in ("hub", "hub_logs")] == [3, 1]
    await spool.close()
    assert (len(setup.rows(Stream.EVENTS)), setup.rows(Stream.LOGS)) == (3, [b"a line\n"])
    assert setup.counted("spool_set_aside") == 0


async def test_a_migration_that_fails_leaves_the_file_as_it_was_and_it_is_set_aside(
    setup: SpoolSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(setup, 3)
    monkeypatch.setattr(store, "SCHEMA_VERSION", 3)
    monkeypatch.setattr(store, "MIGRATIONS", {2: ["DROP TABLE metrics", "ALTER TABLE nothing ADD COLUMN x"]})
    spool = await setup.opened()
    assert setup.counted("spool_set_aside") == 1
    await spool.close()
    (aside,) = setup.folder.glob("spool.sqlite.corrupt-*")
    connection = sqlite3.connect(aside)
    assert connection.execute("SELECT count(*) FROM metrics").fetchone() == (0,)
    assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    connection.close()
