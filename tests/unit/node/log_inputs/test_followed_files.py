"""Log files that are written, renamed, truncated and left: every line once, in order, with its place kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from slurmlens.config.log_inputs import FilesInputConfig, LogInputsConfig
from slurmlens.log_lines import LogLine
from slurmlens.node.log_inputs.stages import POSITIONS
from slurmlens.runtime.whole_file import write_whole
from slurmlens.wire.log_documents import MAX_MESSAGE_BYTES
from testkit.log_node import Jobs, LogNode, log_node
from testkit.mounts import mountinfo


def config(*paths: Path, from_beginning: bool = True) -> LogInputsConfig:
    files = FilesInputConfig(paths=tuple(map(str, paths)), from_beginning=from_beginning, poll_interval_s=0.05)
    return LogInputsConfig(files=files, linger_s=0.01)


def write(path: Path, *lines: str) -> None:
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


async def has(node: LogNode, *texts: str) -> None:
    await node.until(lambda: len(node.texts) >= len(texts), f"{texts} came")
    assert node.texts == list(texts)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


async def test_what_is_there_at_the_first_start_is_passed_over_and_what_comes_is_read(log: Path) -> None:
    write(log, "old")
    async with log_node(log.parent, config(log, from_beginning=False)) as node:
        await place_is_known(node, log)
        write(log, "new")
        await has(node, "new")


async def place_is_known(node: LogNode, log: Path) -> None:
    """Until the input has looked at the file, and what it found counts."""
    await node.until(lambda: (log.parent / POSITIONS).exists(), "the place of each file is written")


async def test_a_file_that_is_renamed_is_read_to_its_end_before_the_one_that_took_its_place(log: Path) -> None:
    write(log, "one")
    async with log_node(log.parent, config(log)) as node:
        await has(node, "one")
        log.rename(log.with_suffix(".log.1"))
        write(log.with_suffix(".log.1"), "two, written after it was renamed")
        write(log, "three")
        await has(node, "one", "two, written after it was renamed", "three")
        write(log.with_suffix(".log.1"), "four, of a writer that kept it open")
        await has(node, "one", "two, written after it was renamed", "three", "four, of a writer that kept it open")


async def test_files_that_were_renamed_one_after_the_other_are_all_read_in_their_order(log: Path) -> None:
    write(log, "one")
    async with log_node(log.parent, config(log)) as node:
        await has(node, "one")
    for number, text in enumerate(("two", "three", "four"), start=1):
        log.rename(log.with_suffix(f".log.{number}"))
        write(log, text)
        os.utime(log, ns=(0, os.stat(log).st_mtime_ns + number * 10**6))
    async with log_node(log.parent, config(log)) as node:
        await has(node, "two", "three", "four")


async def test_a_file_that_is_copied_and_truncated_begins_anew(log: Path) -> None:
    write(log, "one", "two")
    async with log_node(log.parent, config(log)) as node:
        await has(node, "one", "two")
        os.truncate(log, 0)
        write(log, "3")
        await has(node, "one", "two", "3")
        assert any("log_file_truncated" in name for name in node.counters.snapshot())


async def test_a_file_that_was_truncated_and_is_longer_again_is_noticed_by_its_first_bytes(log: Path) -> None:
    write(log, "one")
    async with log_node(log.parent, config(log)) as node:
        await has(node, "one")
        log.write_text("another beginning\nand more\n")
        await has(node, "one", "another beginning", "and more")


async def test_another_daemon_goes_on_where_this_one_ended_also_in_a_file_that_was_renamed_meanwhile(log: Path) -> None:
    write(log, "one")
    async with log_node(log.parent, config(log)) as node:
        await has(node, "one")
    write(log, "two")
    log.rename(log.with_suffix(".log.1"))
    write(log, "three")
    async with log_node(log.parent, config(log)) as node:
        await has(node, "two", "three")


async def test_lines_of_slurm_that_begin_with_no_time_belong_to_the_one_before_and_the_time_is_theirs(
    tmp_path: Path,
) -> None:
    log = tmp_path / "slurmd.log"
    write(log, "[2026-11-22T10:00:00.123] error: prolog said:", "a", "b", "[2026-11-22T10:00:01+00:00] done")
    async with log_node(tmp_path, config(log)) as node:
        await has(node, "error: prolog said:\na\nb", "done")
        assert {line.program for line in node.lines} == {"slurmd"}
        assert node.lines[1].time_ns == 1795341601 * 10**9


async def test_long_lines_bytes_that_are_no_text_and_a_line_without_end_do_not_stop_the_road(log: Path) -> None:
    log.write_bytes(b"a\xff\0b\n" + b"x" * (MAX_MESSAGE_BYTES + 5) + b"\nnext\nno end")
    async with log_node(log.parent, config(log)) as node:
        await node.until(lambda: "next" in node.texts, "the line behind came")
        assert node.lines[0].fields == {"replaced": 2}
        assert len(node.texts[1]) == MAX_MESSAGE_BYTES
        write(log, "")
        await node.until(lambda: "no end" in node.texts, "it has an end")


async def test_a_file_that_is_not_there_yet_is_read_from_its_beginning_when_it_comes(log: Path) -> None:
    async with log_node(log.parent, config(log, other := log.with_name("other"))) as node:
        write(other, "first")
        await has(node, "first")
        write(log, "one")
        await has(node, "first", "one")


@pytest.mark.parametrize("is_there_before", [True, False])
async def test_a_daemon_that_is_killed_after_its_first_line_does_not_begin_as_at_a_first_start(
    log: Path, is_there_before: bool
) -> None:
    if is_there_before:
        write(log, "old")
    async with log_node(log.parent, config(log, from_beginning=False)) as node:
        await place_is_known(node, log)
        write(log, "one")
        await has(node, "one")
        left = (log.parent / POSITIONS).read_bytes()  # as it was before the daemon's end would have written it
    (log.parent / POSITIONS).write_bytes(left)
    write(log, "two")
    async with log_node(log.parent, config(log, from_beginning=False)) as node:
        await has(node, "one", "two")


async def test_where_a_file_begins_is_on_the_disk_before_its_first_line_is_read(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(log, "one")
    read_before: list[int] = []

    def write_noting(place: Path, content: bytes) -> None:
        read_before.append(sum(count for name, count in node.counters.snapshot().items() if "log_lines_read" in name))
        write_whole(place, content)

    monkeypatch.setattr("slurmlens.node.log_inputs.positions.write_whole", write_noting)
    async with log_node(log.parent, config(log)) as node:
        await has(node, "one")
    assert read_before[0] == 0
    assert read_before[-1] == 1


def ids(lines: list[LogLine]) -> set[str]:
    return {line.id for line in lines}


async def test_a_line_that_is_read_again_is_the_same_line(log: Path) -> None:
    write(log, "one", "one", "two")
    async with log_node(log.parent / "a", config(log)) as first:
        await first.until(lambda: first.told == 3, "all came")
    async with log_node(log.parent / "b", config(log)) as second:
        await second.until(lambda: second.told == 3, "all came again")
    assert ids(first.lines) == ids(second.lines)


async def test_a_file_on_a_network_whose_server_may_hang_is_refused_and_the_others_are_read(tmp_path: Path) -> None:
    near, far = tmp_path / "near.log", tmp_path / "far" / "app.log"
    far.parent.mkdir()
    write(near, "one")
    write(far, "never")
    proc = mountinfo(
        tmp_path / "machine", "20 1 8:1 / / rw - ext4 /dev/sda1 rw", f"21 20 0:9 / {far.parent} rw - nfs4 a:/b rw"
    )
    async with log_node(tmp_path, config(far, near), Jobs(proc=proc)) as node:
        await has(node, "one")
        assert node.counters.snapshot()["log_file_on_network_total"] == 1


async def test_positions_of_a_spool_on_a_network_are_kept_in_the_runtime_folder(log: Path, tmp_path: Path) -> None:
    write(log, "one")
    proc = mountinfo(tmp_path / "machine", f"21 20 0:9 / {tmp_path / 'far'} rw - nfs4 a:/b rw")
    (tmp_path / "far").mkdir()
    async with log_node(tmp_path / "far", config(log), Jobs(proc=proc)) as node:
        await has(node, "one")
    assert not (tmp_path / "far" / POSITIONS).exists()
    write(log, "two")
    async with log_node(tmp_path / "far", config(log), Jobs(proc=proc)) as node:
        await has(node, "two")
