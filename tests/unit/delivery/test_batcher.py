"""Batches close by size and by age, keep the order of their lines and lose none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.delivery.batcher import Batcher
from slurmlens.delivery.batches import Batch, Stream

SECOND = 1_000_000_000


def make(linger_s: float = 1.0, max_bytes: int = 10) -> Batcher:
    return Batcher(Stream.EVENTS, linger_s=linger_s, max_bytes=max_bytes)


def test_a_batch_waits_for_its_linger_counted_from_its_first_line() -> None:
    batcher = make()
    assert batcher.due_ns is None
    assert batcher.add(b"a\n", 5 * SECOND) == []
    assert batcher.add(b"b\n", 5 * SECOND + 900_000_000) == []
    assert batcher.due_ns == 6 * SECOND
    assert batcher.take_due(6 * SECOND - 1) is None
    assert batcher.take_due(6 * SECOND) == Batch(Stream.EVENTS, b"a\nb\n", 2, 5 * SECOND)
    assert batcher.due_ns is None


def test_a_full_batch_is_returned_at_once() -> None:
    batcher = make(max_bytes=4)
    batcher.add(b"a\n", 0)
    assert [batch.payload for batch in batcher.add(b"b\n", 1)] == [b"a\nb\n"]
    assert batcher.flush() is None


def test_a_line_that_no_longer_fits_begins_the_next_batch() -> None:
    batcher = make(max_bytes=5)
    batcher.add(b"abc\n", 0)
    assert [batch.payload for batch in batcher.add(b"de\n", 7)] == [b"abc\n"]
    rest = batcher.flush()
    assert rest is not None
    assert (rest.payload, rest.born_ns) == (b"de\n", 7)


def test_a_line_larger_than_a_batch_travels_alone_and_at_once() -> None:
    batcher = make(max_bytes=4)
    batcher.add(b"a\n", 0)
    assert [batch.payload for batch in batcher.add(b"too long\n", 1)] == [b"a\n", b"too long\n"]


def test_joined_lines_count_as_many_as_they_are() -> None:
    batcher = make(max_bytes=100)
    batcher.add(b"a 1 2\nb 3 4\n", 0, count=2)
    batcher.add(b"c 5 6\n", 0)
    batch = batcher.flush()
    assert batch is not None
    assert batch.count == 3


def test_a_line_without_its_newline_is_a_mistake_and_nothing_at_all_is_nothing() -> None:
    batcher = make()
    with pytest.raises(ValueError, match="without its newline"):
        batcher.add(b"a", 0)
    assert batcher.add(b"", 0) == []
    assert batcher.due_ns is None


def test_what_to_call_on_acknowledgement_travels_with_the_batch() -> None:
    called: list[str] = []
    batcher = make(max_bytes=100)
    batcher.add(b"a\n", 0, on_acknowledged=lambda: called.append("a"))
    batcher.add(b"b\n", 0)
    batcher.add(b"c\n", 0, on_acknowledged=lambda: called.append("c"))
    batch = batcher.flush()
    assert batch is not None
    assert called == []
    for callback in batch.on_acknowledged:
        callback()
    assert called == ["a", "c"]


@given(
    st.lists(st.tuples(st.binary(max_size=8).map(lambda line: line + b"\n"), st.integers(0, 2 * SECOND)), max_size=40),
    st.integers(1, 24),
    st.floats(0, 2),
)
def test_no_line_is_lost_doubled_reordered_or_kept_too_long(
    steps: list[tuple[bytes, int]], max_bytes: int, linger_s: float
) -> None:
    batcher = make(linger_s, max_bytes)
    now_ns = 0
    batches: list[Batch] = []
    for line, pause_ns in steps:
        now_ns += pause_ns
        if (due := batcher.take_due(now_ns)) is not None:
            batches.append(due)
        assert batcher.due_ns is None or batcher.due_ns > now_ns
        batches += batcher.add(line, now_ns)
    if (rest := batcher.flush()) is not None:
        batches.append(rest)
    assert b"".join(batch.payload for batch in batches) == b"".join(line for line, _ in steps)
    assert sum(batch.count for batch in batches) == len(steps)
    assert all(len(batch.payload) <= max_bytes or batch.count == 1 for batch in batches)
