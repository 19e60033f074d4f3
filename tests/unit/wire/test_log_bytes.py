"""Bytes as text: bounded, shown as far as they can be, with a mark for what could not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slurmlens.wire.log_bytes import cut, text_of
from slurmlens.wire.log_documents import MAX_MESSAGE_BYTES


@given(st.binary(max_size=200))
def test_a_text_is_what_came_or_says_how_much_was_replaced(raw: bytes) -> None:
    marks: dict[str, str | int] = {}
    text, is_cut = text_of(raw, marks)
    assert not is_cut
    assert "\0" not in text
    assert text.encode() == raw or marks["replaced"] == text.count("\ufffd")


@given(st.sampled_from([b"x", "ä".encode(), b"\xff", b"\0"]), st.integers(-2, 2))
def test_a_message_never_has_more_bytes_than_it_may(piece: bytes, more: int) -> None:
    raw = piece * (MAX_MESSAGE_BYTES // len(piece) + more)
    text, is_cut = text_of(raw, {})
    assert len(text.encode()) <= MAX_MESSAGE_BYTES
    assert is_cut or len(raw) <= MAX_MESSAGE_BYTES


def test_a_name_is_short_and_shown() -> None:
    assert cut(b"a\xff\0" + b"x" * 300).startswith("a\ufffd\ufffdx")
    assert len(cut(b"x" * 300)) == 255
