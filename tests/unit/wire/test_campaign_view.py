"""A campaign's JSON is read as it was written; whatever else comes is refused with a reason."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.errors import DecodeError
from slurmlens.wire.campaign_view import MOST_NAMES, MOST_POINTS, VIEW_VERSION, decode_campaign, encode_campaign
from testkit.campaign_views import told_campaign


@given(st.lists(st.integers(1, 2**40), max_size=20), st.floats(allow_nan=False, allow_infinity=False))
def test_what_was_written_is_read_back_equal(jobs: list[int], hours: float) -> None:
    view = msgspec.structs.replace(told_campaign(jobs=jobs), used_node_hours=hours)
    assert decode_campaign(encode_campaign(view)) == view


@given(st.binary(max_size=200))
def test_any_bytes_are_a_campaign_or_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_campaign(data)


def test_another_version_is_refused_by_its_number() -> None:
    newer = msgspec.structs.replace(told_campaign(), version=VIEW_VERSION + 1)
    with pytest.raises(DecodeError, match=f"version {VIEW_VERSION + 1}"):
        decode_campaign(encode_campaign(newer))


UNFIT: dict[str, dict[str, object]] = {
    "a name that an address cannot hold": {"name": 'a"\r\nX: y'},
    "no name": {"name": ""},
    "a moment past the databases": {"opened_s": 1e18},
    "a moment before the epoch": {"opened_s": -1.0},
    "a moment without end": {"opened_s": 1e308},
    "more events than a column holds": {"events": 2**63},
    "a count below nothing": {"points_limit": -3},
    "a goal without a direction": {"objectives": ["y"]},
    "no goal": {"objectives": [""]},
    "a best point of no number": {"best": 2**64},
    "a front of everything": {"front": [1] * (MOST_POINTS + 1)},
    "a gain a moment": {"trace": [(1, 1.0)] * (MOST_POINTS + 1)},
    "a state a point": {"counts": {str(number): 1 for number in range(MOST_NAMES + 1)}},
}


@pytest.mark.parametrize("change", UNFIT.values(), ids=UNFIT)
def test_what_no_table_and_no_page_can_hold_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(DecodeError):
        decode_campaign(encode_campaign(msgspec.structs.replace(told_campaign(jobs=[41]), **change)))


def test_a_parameter_a_point_is_refused() -> None:
    (point,) = told_campaign(jobs=[41]).points
    points = [msgspec.structs.replace(point, parameters={f"p{number}": 1}) for number in range(MOST_NAMES)]
    with pytest.raises(DecodeError, match=str(MOST_NAMES)):
        decode_campaign(encode_campaign(msgspec.structs.replace(told_campaign(), points=points)))
