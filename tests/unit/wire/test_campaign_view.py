"""A campaign's JSON is read as it was written; whatever else comes is refused with a reason."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.errors import DecodeError
from slurmlens.wire.campaign_view import VIEW_VERSION, decode_campaign, encode_campaign
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
