"""Columns as bytes: read back within the stated precision, gaps as gaps, and garbage as nothing but a named error."""

from __future__ import annotations

import math
from array import array
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.errors import DecodeError
from slurmlens.wire.packed_columns import (
    GAP_HIGH,
    GAP_LOW,
    GAP_MEAN,
    PRECISION,
    Bin,
    Bins,
    PackedParts,
    check_packed,
    inflated,
    measured_columns,
    pack_columns,
    squeezed,
    unpack_columns,
)

_value = st.one_of(st.just(0.0), st.floats(2.0**-60, 2.0**100, width=32))
_bin = st.one_of(st.just((None, None, None)), st.tuples(_value, _value, _value).map(lambda three: tuple(sorted(three))))


@st.composite
def _columns(draw: st.DrawFn) -> list[list[Bin]]:
    count = draw(st.integers(1, 40))
    return draw(st.lists(st.lists(_bin, min_size=count, max_size=count), min_size=1, max_size=5))  # type: ignore[arg-type]


def names(columns: list[list[Bin]]) -> list[str]:
    return [f"metric_{place}" for place in range(len(columns))]


@pytest.mark.thorough
@given(_columns())
def test_what_is_packed_is_read_back_within_the_precision(columns: list[list[Bin]]) -> None:
    count = len(columns[0])
    parts = pack_columns(measured_columns(columns, count), count)
    found = unpack_columns(parts, names(columns), count)
    check_packed(parts, names(columns), count)
    for column, bins in zip(columns, found.values(), strict=True):
        for told, low, mean, high in zip(column, *bins, strict=True):
            if told[1] is None:
                assert (low, mean, high) == (GAP_LOW, GAP_MEAN, GAP_HIGH)
            else:
                assert (low, mean, high) == pytest.approx(told, rel=PRECISION)


@given(st.lists(st.tuples(*[st.one_of(st.none(), st.floats(width=64))] * 3), min_size=1, max_size=30))
def test_whatever_numbers_are_told_what_is_packed_makes_sense(column: list[Bin]) -> None:
    parts = pack_columns(measured_columns([column], len(column)), len(column))
    check_packed(parts, ["metric"], len(column))
    assert len(unpack_columns(parts, ["metric"], len(column))["metric"].mean) == len(column)


@given(st.tuples(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=80)), st.integers(1, 30))
def test_any_bytes_are_columns_or_a_named_error(parts: tuple[bytes, bytes, bytes], count: int) -> None:
    for read in (check_packed, unpack_columns):
        with suppress(DecodeError):
            read(PackedParts(*parts), ["metric"], count)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -2.0])
@pytest.mark.parametrize("part", range(3))
def test_a_value_that_is_neither_measured_nor_a_gap_is_refused(value: float, part: int) -> None:
    bins = [array("f", [1.0, 2.0]) for _ in range(3)]
    bins[part][1] = value
    packed = pack_columns([Bins(*bins)], 2) if value != -2.0 and not math.isnan(value) else _as_it_is(bins)
    with pytest.raises(DecodeError):
        check_packed(packed, ["metric"], 2)


def _as_it_is(bins: list[array[float]]) -> PackedParts:
    """Written without the rounding, which counts on values that make sense."""
    low, mean, high = (squeezed(bytes(b for byte in (1, 2, 3) for b in one.tobytes()[byte::4])) for one in bins)
    return PackedParts(mean, high, low)


def test_no_more_is_unpacked_than_was_asked_for() -> None:
    bomb = squeezed(bytes(10_000_000))
    assert len(bomb) < 100_000
    assert inflated(bomb, 12) == bytes(12)


def test_a_part_that_ends_early_is_an_error() -> None:
    for part in (b"", b"\0", squeezed(bytes(200))[:5]):
        with pytest.raises(DecodeError):
            inflated(part, 200)
