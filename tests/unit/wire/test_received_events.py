"""Events as the hub takes them: what `ecs` would read, but for the columns of profiles, which stay bytes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.errors import DecodeError
from slurmlens.events import AnyEvent, JobProfile, JobSummary
from slurmlens.hub.history.profiles.course import as_received
from slurmlens.wire import ecs
from slurmlens.wire.received import ReceivedProfile, ReceivedSummary, bins_of, receive, received_lines
from testkit.event_samples import events as any_event
from testkit.told_events import Told

ONE = Told()


@given(any_event())
def test_an_event_is_read_as_it_was_written(event: AnyEvent) -> None:
    line = ecs.encode(event)
    if b"\\u0000" in line:
        with pytest.raises(DecodeError, match="NUL"):
            receive(line)
        return
    if isinstance(event, JobSummary) and not 0 <= event.unseen_s <= 1e12:
        with pytest.raises(DecodeError, match="unseen_s"):
            receive(line)
        return
    received = receive(line)
    for name in event.__struct_fields__:
        if name != "profile":
            assert getattr(received, name) == getattr(event, name)
    if isinstance(event, JobProfile):
        assert isinstance(received, ReceivedProfile)
    elif isinstance(event, JobSummary):
        assert isinstance(received, ReceivedSummary)
    else:
        assert received == event


def test_the_columns_are_read_when_they_are_asked_for() -> None:
    points = ONE.points(0, 1.0, 2.5)
    received = receive(ecs.encode(points))
    assert isinstance(received, ReceivedProfile)
    assert bins_of(received.profile) == as_received(points.profile)


@given(st.binary(max_size=300))
def test_no_bytes_do_more_than_be_refused(body: bytes) -> None:
    for _, found in received_lines(body):
        assert isinstance(found, DecodeError)


def test_a_document_of_another_schema_is_told_as_such() -> None:
    later = msgspec.structs.replace(ONE.start(0), schema=3)
    with pytest.raises(DecodeError, match="schema: 3"):
        receive(ecs.encode(later))


def test_fields_of_a_newer_release_do_no_harm() -> None:
    line = ecs.encode(ONE.start(0)).replace(b'"slurm":{', b'"slurm":{"new_field":[1,{"a":2}],')
    assert receive(line) == ONE.start(0)
