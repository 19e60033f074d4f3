"""Beats v2 frames: what is written can be read by somebody else's rules, and whatever is said back is survived."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.errors import DecodeError
from slurmlens.wire.beats import MAX_WINDOW_DOCUMENTS, Acknowledgements, Window, encode_window
from testkit.beats_receiver import decode_window, frame

DOCUMENTS = st.lists(st.binary(max_size=300), min_size=1, max_size=50)
U32 = st.integers(0, 2**32 - 1)


@given(DOCUMENTS, st.integers(0, 9), st.binary(max_size=20))
def test_a_window_is_read_back_whole_and_ends_where_it_says(documents: list[bytes], level: int, after: bytes) -> None:
    assert decode_window(encode_window(documents, level) + after) == (documents, after)


def test_a_window_looks_as_elastics_client_writes_it() -> None:
    frames = b"2J\0\0\0\1\0\0\0\2{}2J\0\0\0\2\0\0\0\7" + b'{"a":1}'
    documents = [b"{}", b'{"a":1}']
    assert encode_window(documents, 0) == b"2W\0\0\0\2" + frames
    packed = encode_window(documents, 3)
    assert packed[:8] == b"2W\0\0\0\2" + b"2C"
    assert struct.unpack(">I", packed[8:12])[0] == len(packed) - 12
    assert zlib.decompress(packed[12:]) == frames


@pytest.mark.parametrize("count", [0, MAX_WINDOW_DOCUMENTS + 1])
def test_a_window_that_a_receiver_would_close_at_is_not_made(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 10000 documents"):
        encode_window([b"{}"] * count, 3)


@given(st.lists(U32, max_size=30), st.lists(st.integers(1, 9), max_size=30))
def test_acknowledgements_are_the_same_however_they_are_cut_up(sequences: list[int], cuts: list[int]) -> None:
    data, heard, reader = b"".join(map(frame, sequences)), [], Acknowledgements()
    for size in cuts:
        heard += reader.feed(data[:size])
        data = data[size:]
    heard += reader.feed(data)
    assert heard == sequences
    assert reader.is_between_frames


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_garbage_raises_nothing_but_a_decode_error_and_is_not_hoarded(pieces: list[bytes]) -> None:
    reader = Acknowledgements()
    for piece in pieces:
        try:
            reader.feed(piece)
        except DecodeError as error:
            assert error.reason == "malformed"  # noqa: PT017
        assert len(reader._rest) < 6


@pytest.mark.parametrize("said", [b"1A\0\0\0\1", b"2W\0\0\0\1", b"HTTP/1.1 400 Bad Request\r\n", b"2A\0\0\0\1GARBAGE"])
def test_what_is_no_acknowledgement_is_named(said: bytes) -> None:
    with pytest.raises(DecodeError, match="no acknowledgement: a frame that begins with b'"):
        Acknowledgements().feed(said)


def test_a_frame_that_is_not_whole_is_waited_for() -> None:
    reader = Acknowledgements()
    assert reader.feed(b"2A\0\0\0") == []
    assert not reader.is_between_frames
    assert reader.feed(b"\5") == [5]


@given(st.integers(1, 10_000), st.lists(U32, max_size=20))
def test_a_window_knows_the_highest_sequence_and_none_beyond_its_end(count: int, sequences: list[int]) -> None:
    window = Window(count)
    for sequence in sequences:
        before = window.acknowledged
        if sequence > count:
            with pytest.raises(DecodeError, match=f"of a window of {count}"):
                window.note(sequence)
            assert window.acknowledged == before
        else:
            window.note(sequence)
            assert window.acknowledged == max(before, sequence)
        assert window.is_complete == (window.acknowledged == count)
