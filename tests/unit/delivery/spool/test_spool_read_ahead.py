"""A spool that has to come from the disk comes page by page: no read takes in a megabyte that nobody asked for yet."""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path

import pytest

from slurmlens.delivery.batches import Stream
from slurmlens.delivery.spool.store import Row, SpoolChange, SpoolStore

ROWS = 256
ROW_BYTES = 16 * 1024
ROW_PAGES = ROW_BYTES // mmap.PAGESIZE


def test_reading_one_batch_of_a_cold_file_brings_in_its_pages_and_hardly_any_other(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite3"
    written = SpoolStore(path)
    rows = [Row(position, 0, 0, "boot", 1, os.urandom(ROW_BYTES)) for position in range(1, ROWS + 1)]
    written.apply(SpoolChange(rows={Stream.METRICS: rows}))
    written.close()
    store = SpoolStore(path)
    try:
        forget(path)
        if cached_pages(path) > ROW_PAGES:
            pytest.skip("this file system keeps what it was told to forget: nothing can be read from its disk")
        assert store.read(Stream.METRICS, ROWS // 2, ROWS // 2) == [rows[ROWS // 2 - 1]]
        assert cached_pages(path) <= 4 * ROW_PAGES, "its own, the table's pages above it, its neighbours'"
    finally:
        store.close()


def forget(path: Path) -> None:
    """Have the kernel read the file from the disk the next time."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def cached_pages(path: Path) -> int:
    """How many pages of the file are in memory, by mincore(2)."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mincore = ctypes.CDLL(None, use_errno=True).mincore
        present = (ctypes.c_ubyte * -(-len(mapped) // mmap.PAGESIZE))()
        first = ctypes.c_char.from_buffer(mapped)
        try:
            status = mincore(ctypes.byref(first), ctypes.c_size_t(len(mapped)), present)
        finally:
            del first  # the mapping cannot be closed while it is referred to
    assert status == 0, os.strerror(ctypes.get_errno())
    return sum(flags & 1 for flags in present)
