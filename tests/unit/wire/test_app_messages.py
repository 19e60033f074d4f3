"""What a job says to the daemon is read exactly, or refused with a reason; nothing else can come of any bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmlens.errors import DecodeError
from slurmlens.wire.app_message import (
    MAX_EVENT_CHARS,
    MAX_NUMBER,
    MAX_VALUES,
    REASONS,
    AppMessage,
    StepWord,
    ToldEvent,
    ToldProgress,
    ToldStep,
    decode,
)

_numbers = st.floats(min_value=0, max_value=MAX_NUMBER)
_names = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,31}", fullmatch=True)


def reason_of(line: bytes) -> str | None:
    """Why it is refused; None where it is read."""
    try:
        decode(line)
    except DecodeError as error:
        return error.reason
    return None


@settings(max_examples=50)
@given(
    done=_numbers,
    total=st.none() | st.floats(min_value=1e-9, max_value=MAX_NUMBER),
    values=st.dictionaries(_names, st.floats(min_value=-MAX_NUMBER, max_value=MAX_NUMBER), max_size=MAX_VALUES),
    job=st.none() | st.integers(0, 2**31),
    rank=st.none() | st.integers(0, 2**31 - 1),
)
def test_what_was_said_is_what_is_read(
    done: float, total: float | None, values: dict[str, float], job: int | None, rank: int | None
) -> None:
    words = ["1"]
    words += [f"{name}={value}" for name, value in (("job", job), ("rank", rank)) if value is not None]
    words += ["progress", repr(done), "-" if total is None else repr(total)]
    words += [f"{name}={value!r}" for name, value in values.items()]
    assert decode(" ".join(words).encode()) == AppMessage(ToldProgress(done, total, values), job, rank)


@given(st.text(min_size=1, max_size=400))
def test_an_events_text_is_printable_and_bounded_whatever_was_said(text: str) -> None:
    try:
        message = decode(f"1 event {text}".encode("utf-8", "surrogatepass"))
    except DecodeError:
        return
    assert isinstance(message.told, ToldEvent)
    assert 0 < len(message.told.text) <= MAX_EVENT_CHARS
    assert not set(message.told.text) & set("\0\n\r\x1b\u202e")


@given(st.binary(max_size=1100))
def test_garbage_is_refused_with_a_reason_of_the_list(garbage: bytes) -> None:
    assert reason_of(garbage) in (None, *REASONS)


@given(st.lists(st.sampled_from([b"1", b" ", b"job=", b"rank=", b"7", b"progress", b"event", b"=", b"-", b"1e400"])))
def test_pieces_of_messages_in_any_order_are_refused_or_read(pieces: list[bytes]) -> None:
    assert reason_of(b"".join(pieces)) in (None, *REASONS)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "malformed"),
        (b"2 progress 1 2", "version"),
        (b"1 progress 1", "malformed"),
        (b"1 progress nan 2", "value"),
        (b"1 progress 1 inf", "value"),
        (b"1 progress -1 2", "value"),
        (b"1 progress 1 0", "value"),
        (b"1 progress 1_0 20", "value"),
        ("1 progress ١ ٢".encode(), "value"),
        (b"1 progress 1 2 1x=3", "name"),
        (b"1 progress 1 2 " + b" ".join(b"v%d=1" % i for i in range(17)), "name"),
        (b"1 progress 1 2 x=", "value"),
        (b"1 user=0 progress 1 2", "malformed"),
        (b"1 job=1 job=2 progress 1 2", "malformed"),
        (b"1 rank=9999999999 progress 1 2", "value"),
        (b"1 shutdown", "malformed"),
        (b"1 event \x1b", "malformed"),
        (b"\xff\xfe", "malformed"),
    ],
)
def test_what_is_no_message_is_refused(line: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as refused:
        decode(line)
    assert refused.value.reason == reason


def test_a_newline_at_the_end_is_no_part_of_it() -> None:
    assert decode(b"1 progress 3 8\n") == AppMessage(ToldProgress(3.0, 8.0, {}))


def test_hooks_of_tasks_and_of_srun_say_what_became_of_a_step() -> None:
    assert decode(b"1 job=7 rank=0 step begin interval=2 notify=failed,a@b.org tag=warm up=1").told == ToldStep(
        StepWord.BEGIN, interval="2", notify="failed,a@b.org", tag="warm up=1"
    )
    assert decode(b"1 step begin modules=gcc:mpi container=a.sif tag=x").told == ToldStep(
        StepWord.BEGIN, modules="gcc:mpi", container="a.sif", tag="x"
    )
    assert decode(b"1 step end").told == ToldStep(StepWord.END)
    assert decode(b"1 step run 3 gemm").told == ToldStep(StepWord.RUN, step="3", command="gemm")
    assert decode(b"1 step over 3").told == ToldStep(StepWord.OVER, step="3")


@pytest.mark.parametrize(
    "line", [b"1 step", b"1 step dance", b"1 step begin rank=1", b"1 step run batch x", b"1 step over"]
)
def test_what_no_hook_says_is_refused(line: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(line)


@given(st.text(max_size=200))
def test_any_tag_is_kept_printable_and_bounded(text: str) -> None:
    told = decode(f"1 step begin tag={text}".encode("utf-8", "replace")).told
    assert isinstance(told, ToldStep)
    assert told.tag is None or (len(told.tag) <= 255 and told.tag.strip() == told.tag)
