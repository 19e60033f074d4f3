"""Addresses mean one thing each: what is checked is what is used."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.clock import NS_PER_S
from slurmlens.errors import PageError
from slurmlens.hub.web.addresses import MOST_ROWS, job_filter, job_reference, moment_in, number_in
from slurmlens.hub.web.pages.logs import moment_of


@given(st.text(max_size=30))
def test_a_number_has_one_spelling_and_lies_within_its_bounds(text: str) -> None:
    found = number_in(text, 1, 10**6)
    assert found is None or (str(found) == text and 1 <= found <= 10**6)


@pytest.mark.parametrize("limit", ["0", "0000000011000000", "1001", "-1", "1e3", "٣", "9" * 40, " 5", ""])
def test_a_limit_that_is_none_is_refused_and_never_cut(limit: str) -> None:
    if not limit:
        assert job_filter({}).limit <= MOST_ROWS
        return
    with pytest.raises(PageError) as caught:
        job_filter({"limit": limit})
    assert caught.value.status == 400


@pytest.mark.parametrize("text", ["000000000007999", "07", "4700_011", "4711+01", "4711x", "1" * 30, "", "4294967295"])
def test_another_spelling_of_a_job_id_never_shows_another_job(text: str) -> None:
    with pytest.raises(PageError) as caught:
        job_reference(text)
    assert caught.value.status == 404


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4711", (4711, None, None)),
        (" 4700_11 ", (4700, 11, None)),
        ("9380968+1", (9380968, None, 1)),
        ("7_0", (7, 0, None)),
    ],
)
def test_squeues_own_notation_is_read(text: str, expected: tuple[int, int | None, int | None]) -> None:
    found = job_reference(text)
    assert (found.job_id, found.array_task_id, found.het_job_offset) == expected


def _in_an_address(text: str) -> int:
    return moment_in(make_mocked_request("GET", f"/?at={quote(text)}"), "at", -1)


def _of_lines(text: str) -> int:
    return moment_of("since", text, NS_PER_S)


ZONES = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(timezone)
MOMENTS = st.one_of(
    st.integers(-(10**13), 10**13).map(str),
    st.sampled_from(("253402300799", "9223372037", "9223372036", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00")),
    st.datetimes(timezones=ZONES).map(datetime.isoformat),
)


@pytest.mark.parametrize("read", [_in_an_address, _of_lines])
@given(text=MOMENTS)
def test_a_moment_fits_into_a_database_or_is_refused(read: Callable[[str], int], text: str) -> None:
    with contextlib.suppress(PageError):
        assert 0 <= read(text) < (2**63 - 1) // NS_PER_S * NS_PER_S
