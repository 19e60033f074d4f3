"""Tickets and assessments are read as they were written; whatever else comes is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.errors import DecodeError
from slurmlens.wire.assessment import Assessment, KnownProblem, Score, Ticket, read_document, write_document


@given(st.text(max_size=40), st.integers(1, 2**50), st.integers(0, 2**40))
def test_a_ticket_is_read_as_it_was_written(key: str, job_id: int, from_s: int) -> None:
    ticket = Ticket(key=key, rule="r", cluster="c", job_id=job_id, run=1, from_s=from_s, to_s=from_s + 1)
    assert read_document(write_document(ticket), Ticket) == ticket


@given(st.floats(0, 1), st.text(max_size=40))
def test_an_assessment_is_read_as_it_was_written(value: float, words: str) -> None:
    told = Assessment("k", 1, 1, words, value, (Score("s", value, words),), (KnownProblem("p", words, "a", "b"),))
    assert read_document(write_document(told), Assessment) == told


@given(st.binary(max_size=60))
def test_any_bytes_are_refused(data: bytes) -> None:
    for kind in (Ticket, Assessment):
        with pytest.raises(DecodeError, match=f"no {kind.__name__}"):
            read_document(data, kind)
