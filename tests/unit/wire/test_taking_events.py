"""How events are taken: whatever bytes come, each line is an event that makes sense or has its reason."""

from __future__ import annotations

import gzip
import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmlens.errors import DecodeError, RefusedError
from slurmlens.events import AnyEvent, ExitCount, StepTotals
from slurmlens.wire import ecs
from slurmlens.wire.event_values import EARLIEST_NS, LATEST_NS, check_values
from slurmlens.wire.ingest import RefusedLine, TooLarge, check_not_all_foreign, lines_of, unpack
from testkit.event_samples import events, one_of_each


@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([ecs.encode(one) for one in one_of_each()]))))
def test_every_line_is_an_event_or_has_a_reason_and_spoils_no_other(lines: list[bytes]) -> None:
    lines = [line.replace(b"\n", b"") for line in lines]
    good = {ecs.encode(one) for one in one_of_each()}
    found = {line.number: line for line in lines_of(b"\n".join(lines), lambda _: True, "demo")}
    for number, line in enumerate(lines, 1):
        if line in good:
            assert found[number].event is not None
        elif number in found and found[number].event is None:
            assert found[number].problem is not None
            assert found[number].problem.reason


@given(events(), st.integers(-(2**62), 2**62))
def test_no_event_of_an_impossible_time_is_taken(event: AnyEvent, time_ns: int) -> None:
    told = msgspec.structs.replace(event, time_ns=time_ns)
    if EARLIEST_NS <= time_ns <= LATEST_NS:
        return
    with pytest.raises(DecodeError):
        check_values(told)


@pytest.mark.parametrize("width_s", [0.0, -1.0, math.inf, math.nan, 1e9])
def test_a_profile_of_senseless_bins_is_refused(width_s: float) -> None:
    for event in one_of_each():
        if (profile := getattr(event, "profile", None)) is not None:
            odd = msgspec.structs.replace(event, profile=msgspec.structs.replace(profile, width_s=width_s))
            with pytest.raises(DecodeError, match="bins"):
                check_values(odd)
            break
    else:
        pytest.fail("no sample has a profile")


@given(st.binary(max_size=2000), st.integers(1, 2000))
@settings(max_examples=200)
def test_a_body_unpacks_to_itself_or_is_too_large(body: bytes, most_bytes: int) -> None:
    packed = gzip.compress(body, 1)
    if len(body) > most_bytes:
        with pytest.raises(TooLarge):
            unpack(packed, "gzip", most_bytes)
    else:
        assert unpack(packed, "gzip", most_bytes) == body


@given(st.binary(max_size=200))
def test_what_is_no_gzip_is_refused_and_never_breaks(body: bytes) -> None:
    with pytest.raises(DecodeError):
        unpack(body, "gzip", 1000)


def test_an_answer_that_refuses_every_line_as_foreign_is_an_error_that_can_be_mended() -> None:
    foreign = [RefusedLine(1, "cluster", "another cluster")]
    check_not_all_foreign(1, foreign)
    check_not_all_foreign(0, [*foreign, RefusedLine(2, "value", "odd")])
    with pytest.raises(RefusedError):
        check_not_all_foreign(0, foreign)


@pytest.mark.parametrize(
    "odd",
    [
        StepTotals(step="0" * 5000),
        StepTotals(step="0", tag="x" * 5000),
        StepTotals(step="0", started_ns=1),
        StepTotals(step="0", task_count=2**60),
        StepTotals(step="0", exits=(ExitCount(code=0, tasks=1),) * 65),
        StepTotals(step="0", exits=(ExitCount(code=0, tasks=1, first_tasks=(1,) * 65),)),
        StepTotals(step="0", exits=(ExitCount(code=2**60, tasks=1),)),
        StepTotals(step="0", exits=(ExitCount(code=0, tasks=1, first_tasks=(2**60,)),)),
    ],
)
def test_a_step_of_senseless_values_is_refused(odd: StepTotals) -> None:
    for event in one_of_each():
        if (totals := getattr(event, "totals", None)) is not None:
            check_values(event)
            with pytest.raises(DecodeError):
                check_values(msgspec.structs.replace(event, totals=msgspec.structs.replace(totals, steps=(odd,))))


def test_a_steps_own_times_are_taken() -> None:
    step = StepTotals(step="0", started_ns=EARLIEST_NS, ended_ns=LATEST_NS, task_count=4)
    for event in one_of_each():
        if (totals := getattr(event, "totals", None)) is not None:
            check_values(msgspec.structs.replace(event, totals=msgspec.structs.replace(totals, steps=(step,))))
