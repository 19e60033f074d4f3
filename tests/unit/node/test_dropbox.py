"""The dropbox on a real folder with real inotify: what is told, what is held, what is refused, what is waited for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from slurmlens.dropbox import Dropbox, Token, intake, stage, watch
from slurmlens.hook_events import HookEvent, HookRole
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire import hook_file
from testkit.manual_clock import ManualClock
from testkit.waiting import until

SOON_S = 0.01
"""Looks at a folder that is not there come so often here; nothing depends on how often."""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="other owners and mounts need root")


@dataclass
class Site:
    """A dropbox, its folder, and what its program says of itself."""

    base: Path
    counters: Counters
    clock: ManualClock
    make: Callable[..., Dropbox]

    def write(self, number: int, *, folder: Path | None = None, **changes: object) -> Path:
        """An event as the emitter writes it; `number` is its time and its job id."""
        folder = folder or self.base
        path = folder / f"{number:020}-1-prolog.json"
        temporary = folder / f".{path.name}.tmp"
        temporary.write_bytes(document(number, **changes))
        temporary.rename(path)
        return path

    def refused(self, reason: str) -> float:
        return self.counters.snapshot().get(f'dropbox_refused_total{{reason="{reason}"}}', 0)

    def count(self, name: str) -> float:
        return self.counters.snapshot().get(name, 0)


def document(number: int, role: str = "prolog", node: str = "n0", version: int = 1) -> bytes:
    return (
        f'{{"v":{version},"id":"{number:032x}","role":"{role}","time_ns":1,'
        f'"boot_id":"11111111-2222-3333-4444-555555555555","boottime_ns":{number},'
        f'"env":{{"SLURM_JOB_ID":"{number}","SLURMD_NODENAME":"{node}"}}}}\n'
    ).encode()


@pytest.fixture
def site(tmp_path: Path, clock: ManualClock) -> Iterator[Site]:
    base = tmp_path / "events"
    base.mkdir()
    counters = Counters()
    reporter = Reporter(counters, clock)
    made: list[Dropbox] = []

    def make(**options: object) -> Dropbox:
        owners = {os.geteuid(): frozenset(HookRole)}
        defaults = {"owners": owners, "retry_interval_s": SOON_S, "check_interval_s": SOON_S}
        made.append(Dropbox(base, reporter, clock, **{**defaults, **options}))  # type: ignore[arg-type]
        return made[-1]

    yield Site(base, counters, clock, make)
    for dropbox in made:
        dropbox.close()


async def take(dropbox: Dropbox, count: int) -> list[tuple[HookEvent, Token]]:
    return [await anext(dropbox) for _ in range(count)]


def jobs(told: list[tuple[HookEvent, Token]]) -> list[int]:
    return [event.job.job_id for event, _ in told]


async def test_what_waited_is_told_oldest_first_and_what_comes_is_told_too(site: Site) -> None:
    for number in (30, 10, 20):
        site.write(number)
    dropbox = site.make()
    assert jobs(await take(dropbox, 3)) == [10, 20, 30]
    later = asyncio.create_task(take(dropbox, 2))
    await asyncio.sleep(0)
    site.write(50)
    site.write(40)
    assert sorted(jobs(await later)) == [40, 50]


async def test_a_file_stays_until_it_is_released(site: Site) -> None:
    path = site.write(1)
    dropbox = site.make()
    ((_, token),) = await take(dropbox, 1)
    assert (path.exists(), dropbox.out_count) == (True, 1)
    dropbox.release(token)
    dropbox.release(token)
    assert (path.exists(), dropbox.out_count) == (False, 0)


async def test_after_a_restart_what_was_not_released_is_told_again(site: Site) -> None:
    site.write(1)
    site.write(2)
    before = site.make()
    (_, (_, token)) = await take(before, 2)
    before.release(token)
    before.close()  # and here it was killed
    assert jobs(await take(site.make(), 1)) == [1]


async def test_what_is_out_is_not_told_twice_by_looking_again(site: Site) -> None:
    site.write(1)
    dropbox = site.make()
    await take(dropbox, 1)
    next_one = asyncio.create_task(take(dropbox, 1))
    await _until(lambda: site.clock.advance(60) or site.count("dropbox_opened_total") == 1)
    site.write(2)
    assert jobs(await next_one) == [2]


async def test_a_cancelled_wait_loses_nothing(site: Site) -> None:
    dropbox = site.make()
    waiting = asyncio.create_task(take(dropbox, 1))
    await _until(lambda: dropbox.is_open)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    site.write(7)
    assert jobs(await take(dropbox, 1)) == [7]


async def test_temporary_and_foreign_names_are_left_alone(site: Site) -> None:
    (site.base / ".x.json.tmp").write_bytes(b"half")
    (site.base / ".hidden.json").write_bytes(b"{}")
    (site.base / "README").write_bytes(b"")
    site.write(1)
    assert jobs(await take(site.make(), 1)) == [1]
    assert len(list(site.base.iterdir())) == 4


def _make_fifo(path: Path) -> None:
    os.mkfifo(path)


def _make_socket(path: Path) -> None:
    folder = os.open(path.parent, os.O_PATH)  # the path may be longer than an address
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"/proc/self/fd/{folder}/{path.name}")
    os.close(folder)


def _make_hard_link(path: Path) -> None:
    (path.parent / ".other").write_bytes(document(5))
    os.link(path.parent / ".other", path)


ODD: dict[str, tuple[str, Callable[[Path], object]]] = {
    "no JSON": ("malformed", lambda path: path.write_bytes(b"rubbish")),
    "empty": ("malformed", lambda path: path.write_bytes(b"")),
    "too long": ("too_long", lambda path: path.write_bytes(b" " * (hook_file.MAX_FILE_BYTES + 1))),
    "huge": ("too_long", lambda path: path.write_bytes(b" " * 1_000_000)),
    "another version": ("version", lambda path: path.write_bytes(document(5, version=2))),
    "wrong type": ("field", lambda path: path.write_bytes(b'{"v":1,"id":7}')),
    "nobody's": ("job_id", lambda path: path.write_bytes(document(0))),
    "a link": ("not_regular", lambda path: path.symlink_to("/etc/passwd")),
    "a link to nothing": ("not_regular", lambda path: path.symlink_to("nowhere")),
    "a hard link": ("not_regular", _make_hard_link),
    "a folder": ("not_regular", lambda path: path.mkdir()),
    "a pipe": ("not_regular", _make_fifo),
    "a socket": ("not_regular", _make_socket),
}


@pytest.mark.parametrize("kind", ODD)
async def test_an_odd_file_is_put_aside_counted_and_blocks_no_other(
    site: Site, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    reason, make = ODD[kind]
    odd = site.base / f"{1:020}-1-prolog.json"
    make(odd)
    site.write(2)
    with caplog.at_level(logging.ERROR, logger="slurmlens"):
        assert jobs(await take(site.make(), 1)) == [2]
    assert site.refused(reason) == 1
    assert not os.path.lexists(odd)
    assert os.path.lexists(site.base / ".refused" / odd.name) == (kind != "huge")
    (line,) = caplog.messages
    assert str(odd) in line
    assert reason in line


@needs_root
async def test_a_file_of_another_owner_is_refused(site: Site) -> None:
    os.chown(site.write(1), 12345, -1)
    site.write(2)
    assert jobs(await take(site.make(), 1)) == [2]
    assert site.refused("owner") == 1


@needs_root
async def test_an_owner_may_say_only_what_he_may_say(site: Site) -> None:
    os.chown(site.write(1), 12345, -1)
    os.chown(site.write(2, role="epilog"), 12345, -1)
    dropbox = site.make(owners={0: frozenset(HookRole), 12345: frozenset({HookRole.EPILOG})})
    assert jobs(await take(dropbox, 1)) == [2]
    assert site.refused("owner") == 1


async def test_names_that_are_no_utf8_are_refused_like_others(site: Site) -> None:
    (Path(os.fsdecode(os.fsencode(site.base) + b"/!\xff\xfe.json"))).write_bytes(b"rubbish")
    site.write(1)
    assert jobs(await take(site.make(), 1)) == [1]
    assert site.refused("malformed") == 1


async def test_the_folder_of_refused_files_is_bounded(site: Site) -> None:
    for number in range(intake.REFUSED_LIMIT + 10):
        (site.base / f"{number:020}-1-prolog.json").write_bytes(b"rubbish")
    site.write(9999)
    assert jobs(await take(site.make(), 1)) == [9999]
    assert len(list((site.base / ".refused").iterdir())) == intake.REFUSED_LIMIT
    assert len(list(site.base.glob("*.json"))) == 1
    assert site.refused("malformed") == intake.REFUSED_LIMIT + 10


async def test_a_refused_file_that_cannot_be_moved_is_refused_once(site: Site) -> None:
    (site.base / ".refused").write_bytes(b"in the way")
    (site.base / f"{1:020}-1-prolog.json").write_bytes(b"rubbish")
    dropbox = site.make()
    site.write(2)
    await take(dropbox, 1)
    site.write(3)
    await take(dropbox, 1)
    assert site.refused("malformed") == 1


async def test_a_folder_that_is_missing_is_said_once_and_waited_for(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.base.rmdir()
    dropbox = site.make()
    with caplog.at_level(logging.WARNING, logger="slurmlens"):
        waiting = asyncio.create_task(take(dropbox, 1))
        await _until(lambda: site.count("dropbox_unavailable_total") == 1)
        site.base.mkdir()
        site.write(1)
        assert jobs(await waiting) == [1]
    assert [str(site.base) in line for line in caplog.messages] == [True]


async def test_a_folder_that_is_replaced_is_found_again(site: Site) -> None:
    dropbox = site.make()
    waiting = asyncio.create_task(take(dropbox, 1))
    await _until(lambda: dropbox.is_open)
    site.base.rename(site.base.parent / "old")
    site.base.mkdir()
    site.write(1)
    assert jobs(await waiting) == [1]


async def test_a_folder_that_is_a_file_is_waited_for(site: Site) -> None:
    site.base.rmdir()
    site.base.write_bytes(b"")
    dropbox = site.make()
    waiting = asyncio.create_task(take(dropbox, 1))
    await _until(lambda: site.count("dropbox_unavailable_total") == 1)
    site.base.unlink()
    site.base.mkdir()
    site.write(1)
    assert jobs(await waiting) == [1]


async def test_an_overflow_of_inotify_loses_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    dropbox = site.make()
    told: list[watch.Stir] = []

    async def overflowed(self: watch.DropboxWatch, timeout_s: float) -> watch.Stir:
        site.write(2)
        site.write(1)
        told.append(watch.Stir(overflowed=True))
        return told[-1]

    monkeypatch.setattr(watch.DropboxWatch, "wait", overflowed)
    assert jobs(await take(dropbox, 2)) == [1, 2]
    assert site.count("dropbox_overflowed_total") == len(told) == 1


async def test_without_inotify_the_folder_is_looked_at_now_and_then(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def used_up(**_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(watch, "Inotify", used_up)
    dropbox = site.make()
    waiting = asyncio.create_task(take(dropbox, 1))
    await _until(lambda: dropbox.is_open)
    site.write(1)
    assert jobs(await waiting) == [1]
    assert site.count("dropbox_without_inotify_total") == 1


async def test_a_node_takes_its_own_folder_where_there_is_one(site: Site) -> None:
    (site.base / "n1").mkdir()
    site.write(1, folder=site.base / "n1", node="n1")
    site.write(2)
    assert jobs(await take(site.make(node="n1"), 1)) == [1]
    assert jobs(await take(site.make(node="n0"), 1)) == [2]


async def test_a_folder_of_its_own_that_comes_later_is_taken(site: Site) -> None:
    dropbox = site.make(node="n1")
    waiting = asyncio.create_task(take(dropbox, 1))
    await _until(lambda: dropbox.is_open)
    (site.base / "n1").mkdir()
    site.write(1, folder=site.base / "n1", node="n1")
    assert jobs(await waiting) == [1]


async def test_events_of_another_node_in_the_common_folder_stay_there_and_are_said(site: Site) -> None:
    other = site.write(1, node="n9")
    site.write(2)
    assert jobs(await take(site.make(node="n0"), 1)) == [2]
    assert other.exists()
    assert site.count("dropbox_other_node_total") == 1


async def test_what_hooks_could_not_write_is_told_once(site: Site) -> None:
    lost = site.base.parent / "lost"
    lost.mkdir()
    (lost / "prolog").write_bytes(b"...")
    dropbox = site.make()
    site.write(1)
    await take(dropbox, 1)
    assert site.count('hook_events_lost_total{role="prolog"}') == 3
    (lost / "prolog").write_bytes(b".....")
    waiting = asyncio.create_task(take(dropbox, 1))
    await _until(lambda: site.clock.advance(60) or site.count('hook_events_lost_total{role="prolog"}') == 5)
    site.write(2)
    await waiting


async def test_what_a_killed_hook_left_half_written_is_removed_and_told(site: Site) -> None:
    minute_ago_ns = site.clock.boottime_ns() - stage.NS_PER_S * 61
    old = site.base / f".{minute_ago_ns:020}-1-prolog.json.tmp"
    young = site.base / f".{site.clock.boottime_ns():020}-2-prolog.json.tmp"
    for path in (old, young):
        path.write_bytes(b'{"v":1')
    site.write(1)
    await take(site.make(), 1)
    assert (old.exists(), young.exists()) == (False, True)
    assert site.count("hook_event_abandoned_total") == 1


async def test_a_file_this_machine_cannot_read_now_is_tried_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.write(1)
    dropbox = site.make()
    real_open = os.open

    def out_of_descriptors(path: Path, flags: int, *rest: int) -> int:
        if str(path).endswith(".json") and site.count("dropbox_unreadable_total") == 0:
            raise OSError(24, "Too many open files")
        return real_open(path, flags, *rest)

    monkeypatch.setattr(os, "open", out_of_descriptors)
    waiting = asyncio.create_task(take(dropbox, 1))
    await _until(lambda: site.count("dropbox_unreadable_total") == 1)
    site.clock.advance(60)
    assert jobs(await waiting) == [1]


async def test_flaws_of_an_event_are_counted(site: Site) -> None:
    path = site.base / f"{1:020}-1-prolog.json"
    flawed = document(1).replace(b'"SLURMD_NODENAME"', b'"SLURM_JOB_UID":"alice","SLURMD_NODENAME"')
    path.write_bytes(flawed.replace(b"}}", b'},"cut":["SLURM_JOB_NAME"]}'))
    await take(site.make(), 1)
    assert site.count('dropbox_variable_unusable_total{variable="SLURM_JOB_UID"}') == 1
    assert site.count("dropbox_variable_cut_total") == 1


async def test_a_file_that_vanishes_before_it_is_read_is_no_error(site: Site) -> None:
    first, _ = site.write(1), site.write(2)
    dropbox = site.make()
    (told,) = await take(dropbox, 1)
    assert jobs([told]) == [1]
    (site.base / f"{2:020}-1-prolog.json").unlink()
    site.write(3)
    assert jobs(await take(dropbox, 1)) == [3]
    assert first.exists()


async def _until(holds: Callable[[], object]) -> None:
    await until(holds, "the dropbox comes so far", poll_s=0)


@needs_root
@pytest.mark.parametrize("options", ["size=16k", "nr_inodes=4"], ids=["no block is left", "no inode is left"])
def test_a_dropbox_whose_file_system_has_no_room_says_that_it_is_full(site: Site, options: str) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(site.base)], check=False)
    if mounted.returncode:
        pytest.skip("no file system may be mounted here")
    try:
        dropbox = site.make()
        assert not dropbox.is_full
        with contextlib.suppress(OSError):
            for number in range(8):
                (site.base / f".{number}").write_bytes(b"x" * 4096)
        assert dropbox.is_full
    finally:
        subprocess.run(["umount", str(site.base)], check=True)
