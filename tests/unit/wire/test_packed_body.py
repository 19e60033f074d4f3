"""A request with packed profiles says what the same lines would have said as JSON, and garbage in one spoils itself."""

from __future__ import annotations

import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.errors import DecodeError
from slurmlens.events import AnyEvent
from slurmlens.hub.history.profiles.course import course_of
from slurmlens.hub.history.record.packing import course_told
from slurmlens.wire import ecs
from slurmlens.wire.packed_body import pack_body, split_body
from slurmlens.wire.packed_columns import PRECISION
from slurmlens.wire.received import ReceivedEvent, has_profile, receive, received_lines
from testkit.event_samples import events as any_event
from testkit.told_events import Told

ONE = Told()
SOME = [ONE.start(0), ONE.points(0, 1.0, 2.5, 3.0), ONE.beat(20), ONE.summary(0, 40, means=(1.0, 2.0, 3.5))]


def ndjson(events: list[AnyEvent]) -> bytes:
    return b"".join(ecs.encode(event) + b"\n" for event in events)


def packed(events: list[AnyEvent]) -> tuple[bytes, bytes]:
    """Lines and profiles of their request."""
    body = pack_body(ndjson(events), 1)
    assert body is not None
    lines, profiles = split_body(body)
    return zlib.decompress(lines, 31), profiles


def same(ours: ReceivedEvent, theirs: ReceivedEvent) -> None:
    """Two events as they were received are one, with its profile to within the precision."""
    for name in ours.__struct_fields__:
        if name not in ("profile", "schema"):
            assert getattr(ours, name) == getattr(theirs, name)
    if not has_profile(ours):
        return
    assert has_profile(theirs)
    left, right = course_told(ours), course_told(theirs)
    assert (left is None) == (right is None)
    if left is None or right is None:
        return
    assert (left.start_ns, left.width_ns, left.count, left.names) == (
        right.start_ns,
        right.width_ns,
        right.count,
        right.names,
    )
    for part in ("low", "mean", "high"):
        for name, values in getattr(left, part).items():
            assert list(values) == pytest.approx(list(getattr(right, part)[name]), rel=2 * PRECISION)


def test_lines_and_profiles_are_those_of_the_same_lines_as_json() -> None:
    lines, profiles = packed(SOME)
    found = list(received_lines(lines, profiles))
    assert [number for number, _ in found] == [1, 2, 3, 4]
    for (_, event), told in zip(found, SOME, strict=True):
        assert not isinstance(event, DecodeError)
        same(event, receive(ecs.encode(told)))


@pytest.mark.thorough
@given(st.lists(any_event(), min_size=1, max_size=6))
def test_any_events_are_read_as_if_they_had_come_as_json(events: list[AnyEvent]) -> None:
    body = pack_body(ndjson(events), 1)
    if body is None:
        return
    half = split_body(body)
    found = list(received_lines(zlib.decompress(half.lines, 31), half.profiles))
    plain = list(received_lines(ndjson(events)))
    assert [number for number, _ in found] == [number for number, _ in plain]
    for (_, ours), (_, theirs) in zip(found, plain, strict=True):
        if isinstance(ours, DecodeError) or isinstance(theirs, DecodeError):
            assert type(ours) is type(theirs)
        else:
            _same_or_lost(ours, theirs)


def _same_or_lost(ours: ReceivedEvent, theirs: ReceivedEvent) -> None:
    try:
        course_told(theirs)
    except DecodeError:
        return  # senseless columns are lost on both roads, or mended where they are packed
    same(ours, theirs)


def test_a_packed_line_with_a_wrong_field_is_named_by_it_and_not_by_its_schema() -> None:
    lines, profiles = packed([ONE.points(0, 1.0)])
    wrong = lines.replace(b'"job_id":7', b'"job_id":"seven"')
    assert wrong != lines
    ((_, found),) = received_lines(wrong, profiles)
    assert type(found) is DecodeError
    assert found.reason == "field"


def test_a_request_without_profiles_is_not_packed() -> None:
    assert pack_body(ndjson([ONE.start(0), ONE.beat(10)]), 1) is None


def test_a_line_that_is_no_event_stays_as_it_is() -> None:
    odd = b'{"slurm":{"profile":{"columns":12}}}\n{"profile":{ nothing\n'
    body = pack_body(odd + ndjson(SOME), 1)
    assert body is not None
    assert zlib.decompress(split_body(body).lines, 31).startswith(odd)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_no_bytes_beside_the_lines_do_more_than_cost_their_own_line(before: bytes, after: bytes) -> None:
    lines, profiles = packed(SOME)
    garbage = before + profiles[len(before) : len(profiles) - len(after)] + after
    found = [event for _, event in received_lines(lines, garbage[: len(profiles) // 2 + len(before)])]
    assert found[0] == ONE.start(0)
    assert found[2] == ONE.beat(20)
    for event in found:
        if not isinstance(event, DecodeError):
            with suppress(DecodeError):
                course_told(event)


@given(st.binary(max_size=60))
def test_any_body_is_halves_or_a_named_error(body: bytes) -> None:
    for tried in (body, b"slp2" + body):
        with suppress(DecodeError):
            half = split_body(tried)
            assert len(half.lines) + len(half.profiles) + 8 == len(tried)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ((b'"at":0', b'"at":999999'), "profile"),
        ((b'"bins":3', b'"bins":0'), "value"),
        ((b'"bins":3', b'"bins":4000000'), "value"),
        ((b'"schema":2', b'"schema":1'), "field"),
        ((b'"packed"', b'"columns"'), "field"),
    ],
)
def test_a_packed_line_that_contradicts_its_request_is_refused(change: tuple[bytes, bytes], reason: str) -> None:
    lines, profiles = packed([ONE.points(0, 1.0, 2.0, 3.0)])
    with pytest.raises(DecodeError) as caught:
        receive(lines.replace(*change), profiles)
    assert caught.value.reason == reason


def test_bins_that_are_not_there_are_found_when_they_are_read() -> None:
    lines, profiles = packed([ONE.points(0, 1.0, 2.0, 3.0)])
    event = receive(lines.replace(b'"bins":3', b'"bins":2000'), profiles)
    with pytest.raises(DecodeError):
        course_told(event)


def test_a_profile_that_came_packed_is_drawn_as_the_one_that_did_not() -> None:
    told = ONE.summary(0, 40, means=(1.0, 2.0, 3.5))
    lines, profiles = packed([told])
    course = course_told(receive(lines, profiles))
    assert course is not None
    plain = course_of(told.profile)
    assert plain is not None
    assert course.mean == plain.mean
