"""Frames in a stream: by length or by newline, mixed, cut anywhere."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slurmlens.wire.syslog_frames import MOST_FRAME_BYTES, SyslogFrames

messages = st.binary(min_size=1, max_size=40).map(lambda raw: b"<13>" + raw.replace(b"\n", b" ").replace(b"\0", b" "))


@given(st.lists(st.tuples(messages, st.booleans()), max_size=8), st.integers(1, 20))
def test_both_kinds_of_frames_are_read_wherever_the_stream_is_cut(told: list[tuple[bytes, bool]], size: int) -> None:
    stream = b"".join(b"%d %s" % (len(raw), raw) if counted else raw + b"\n" for raw, counted in told)
    frames, found = SyslogFrames(), list[bytes]()
    for begin in range(0, len(stream), size):
        found += frames.feed(stream[begin : begin + size])
    assert found == [raw for raw, _ in told]
    assert frames.end() is None


def test_a_counted_frame_may_hold_newlines_and_ends_without_the_one_that_rsyslog_counts() -> None:
    assert SyslogFrames().feed(b"9 <13>a\nb\n\n3 end") == [b"<13>a\nb", b"end"]


def test_a_number_that_is_no_length_begins_a_line() -> None:
    assert SyslogFrames().feed(b"9999999 x\n12ab\n") == [b"9999999 x", b"12ab"]


def test_a_message_without_end_is_given_cut_and_the_next_is_whole() -> None:
    frames = SyslogFrames()
    (cut,) = frames.feed(b"<13>" + b"x" * MOST_FRAME_BYTES)
    assert len(cut) == MOST_FRAME_BYTES
    assert frames.feed(b"yyy\nnext\n") == [b"next"]


def test_the_last_message_needs_no_newline() -> None:
    frames = SyslogFrames()
    assert frames.feed(b"a\nb") == [b"a"]
    assert frames.end() == b"b"


@given(st.lists(st.binary(max_size=30), max_size=10))
def test_any_bytes_are_read(parts: list[bytes]) -> None:
    frames = SyslogFrames()
    for part in parts:
        assert all(frames.feed(part) or [b"-"])
