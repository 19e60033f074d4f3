"""The file sink on a real file system: whole lines only, turned over, moved away, full."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from slurmlens.config.sinks import FileSinkConfig
from slurmlens.delivery.sinks.file import FileSink
from slurmlens.errors import DeliveryError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.ndjson"


async def deliver(sink: FileSink, *lines: bytes) -> None:
    payload = b"".join(line + b"\n" for line in lines)
    try:
        assert await sink.deliver(payload, len(lines)) == len(lines)
    finally:
        await sink.aclose()


async def test_lines_are_appended_and_only_the_group_may_read(path: Path) -> None:
    await deliver(FileSink(FileSinkConfig(path=path)), b"a", b"b")
    await deliver(FileSink(FileSinkConfig(path=path)), b"c")
    assert path.read_bytes() == b"a\nb\nc\n"
    assert path.stat().st_mode & 0o7777 == 0o640


async def test_at_its_size_the_file_is_turned_over_and_the_oldest_falls_off(path: Path) -> None:
    sink = FileSink(FileSinkConfig(path=path, rotate_bytes=4096, keep=2))
    for letter in b"abcde":
        await deliver(sink, bytes([letter]) * 3000)
    names = sorted(file.name for file in path.parent.iterdir())
    assert names == ["events.ndjson", "events.ndjson.1", "events.ndjson.2"]
    assert [(path.parent / name).read_bytes()[:1] for name in names] == [b"e", b"d", b"c"]


async def test_with_none_to_keep_the_old_file_is_gone(path: Path) -> None:
    sink = FileSink(FileSinkConfig(path=path, rotate_bytes=4096, keep=0))
    await deliver(sink, b"a" * 3000)
    await deliver(sink, b"b" * 3000)
    assert [file.name for file in path.parent.iterdir()] == ["events.ndjson"]
    assert path.read_bytes() == b"b" * 3000 + b"\n"


async def test_after_logrotate_moved_the_file_a_new_one_is_begun(path: Path) -> None:
    sink = FileSink(FileSinkConfig(path=path))
    await sink.deliver(b"a\n", 1)
    path.rename(path.with_suffix(".moved"))
    await deliver(sink, b"b")
    assert path.read_bytes() == b"b\n"


async def test_half_a_line_left_by_a_kill_does_not_spoil_the_next(path: Path) -> None:
    path.write_bytes(b'{"whole":1}\n{"ha')
    await deliver(FileSink(FileSinkConfig(path=path)), b'{"next":1}')
    assert path.read_bytes() == b'{"whole":1}\n{"ha\n{"next":1}\n'


async def test_a_full_disk_leaves_whole_lines_and_is_worth_another_try(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = FileSink(FileSinkConfig(path=path))
    await deliver(sink, b"first")
    really_write = os.write

    def write_half(handle: int, data: memoryview) -> int:
        if len(data) <= 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return really_write(handle, data[:4])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", write_half)
        with pytest.raises(DeliveryError, match="No space left") as caught:
            await deliver(sink, b"second")
    assert caught.value.retriable
    assert path.read_bytes() == b"first\n"
    await deliver(sink, b"second")
    assert path.read_bytes() == b"first\nsecond\n"


async def test_lines_that_may_not_be_on_the_disk_are_not_taken(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(DeliveryError, match="Input/output error"):
        await deliver(FileSink(FileSinkConfig(path=path)), b"a")
    assert path.read_bytes() == b""


async def test_a_symbolic_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    path.symlink_to(target)
    with pytest.raises(DeliveryError, match="symbolic links"):
        await deliver(FileSink(FileSinkConfig(path=path)), b"a")
    assert target.read_bytes() == b"precious"


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match="absent/events: No such file"):
        await deliver(FileSink(FileSinkConfig(path=tmp_path / "absent" / "events")), b"a")
