"""Syslog messages as they are really sent: each shape is read, nothing is lost of one that has none."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.clock import NS_PER_S
from slurmlens.log_lines import LogLine
from slurmlens.wire.log_documents import MAX_MESSAGE_BYTES
from slurmlens.wire.syslog_lines import line_of_message

ARRIVED = datetime(2026, 11, 30, 11, 0, 0, tzinfo=UTC)


def read(raw: bytes, arrived: datetime = ARRIVED) -> LogLine:
    return line_of_message(raw, "id", "n1", int(arrived.timestamp()) * NS_PER_S, UTC, "syslog")


def at(line: LogLine) -> str:
    return datetime.fromtimestamp(line.time_ns / NS_PER_S, UTC).isoformat()


SHAPES = {
    "RFC 5424, rsyslog's two blanks": (
        b"<27>1 2026-11-30T10:59:58.5Z n1 slurmd 812 - -  error: hello\n",
        ("2026-11-30T10:59:58.500000+00:00", "slurmd", 812, 3, 3, " error: hello"),
    ),
    "RFC 5424, structured data and a byte order mark": (
        b'<165>1 2026-11-30T10:59:58Z n1 app - ID47 [x@1 a="b\\]\\"c"][y] \xef\xbb\xbfhello',
        ("2026-11-30T10:59:58+00:00", "app", None, 5, 20, "hello"),
    ),
    "RFC 3164 with a host": (
        b"<13>Nov 30 10:59:58 n1 slurm_12[99]: hello",
        ("2026-11-30T10:59:58+00:00", "slurm_12", 99, 5, 1, "hello"),
    ),
    "what logger writes to /dev/log: no host": (
        b"<13>Nov 30 10:59:58 root: hello: world",
        ("2026-11-30T10:59:58+00:00", "root", None, 5, 1, "hello: world"),
    ),
    "rsyslog's forward format": (
        b"<13>2026-11-30T10:59:58.123456+01:00 n1 slurmstepd-n1: hello",
        ("2026-11-30T09:59:58.123456+00:00", "slurmstepd-n1", None, 5, 1, "hello"),
    ),
    "Cisco's year": (b"<13>Nov 30 2026 10:59:58: x: hello", ("2026-11-30T10:59:58+00:00", "x", None, 5, 1, "hello")),
    "no time": (b"<3>kernel: hello", ("2026-11-30T11:00:00+00:00", "kernel", None, 3, 0, "hello")),
    "a raw line of Slurm's": (
        b"[2026-11-30T10:59:58.123] error: hello",
        ("2026-11-30T11:00:00+00:00", None, None, 6, None, "[2026-11-30T10:59:58.123] error: hello"),
    ),
    "a text alone after a time": (
        b"<13>Nov 30 10:59:58 hello world",
        ("2026-11-30T10:59:58+00:00", None, None, 5, 1, "hello world"),
    ),
    "a priority that is none": (b"<999>hello", ("2026-11-30T11:00:00+00:00", None, None, 6, None, "<999>hello")),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_that_is_sent_is_read(shape: str) -> None:
    raw, expected = SHAPES[shape]
    line = read(raw)
    assert (at(line), line.program, line.pid, line.severity, line.facility, line.message) == expected
    assert line.node == "n1"


def test_a_time_without_a_year_is_in_the_year_nearest_to_its_arrival() -> None:
    new_year = datetime(2027, 1, 1, 0, 0, 5, tzinfo=UTC)
    assert at(read(b"<13>Dec 31 23:59:59 x: a", new_year)).startswith("2026-12-31T23:59:59")
    before = datetime(2026, 12, 31, 23, 59, 58, tzinfo=UTC)
    assert at(read(b"<13>Jan  1 00:00:01 x: a", before)).startswith("2027-01-01T00:00:01")
    assert at(read(b"<13>Feb 29 00:00:01 x: a", datetime(2028, 3, 1, tzinfo=UTC))).startswith("2028-02-29")


def test_a_clock_that_is_an_hour_off_is_kept_and_marked() -> None:
    line = read(b"<13>Nov 30 10:00:00 x: a")
    assert at(line) == "2026-11-30T10:00:00+00:00"
    assert line.fields == {"clock_off_s": -3600}


def test_a_time_that_cannot_be_is_kept_beside_the_time_of_arrival() -> None:
    line = read(b"<13>Nov 31 10:00:00 x: a")
    assert (at(line), line.fields) == ("2026-11-30T11:00:00+00:00", {"time_as_sent": "Nov 31 10:00:00"})


def test_another_host_is_kept_beside_the_nodes_name() -> None:
    assert read(b"<13>Nov 30 10:59:58 elsewhere x: a").fields == {"host_as_sent": "elsewhere"}
    assert read(b"<13>Nov 30 10:59:58 n1.example.org x: a").fields == {}


def test_newlines_nuls_bytes_that_are_no_text_and_64_kib_do_not_stop_a_line() -> None:
    assert read(b"<13>x: two\nlines").message == "two\nlines"
    odd = read(b"<13>x: a\xff\0b")
    assert (odd.message, odd.fields) == ("a\ufffd\ufffdb", {"replaced": 2})
    long = read(b"<13>x: " + "ä".encode() * MAX_MESSAGE_BYTES)
    assert long.is_cut
    assert len(long.message.encode()) <= MAX_MESSAGE_BYTES
    assert "replaced" not in long.fields


pieces = st.sampled_from(
    [
        b"<13>",
        b"<",
        b"1 ",
        b"Nov 30 10:59:58",
        b"2026-11-30T10:59:58Z",
        b" ",
        b"n1",
        b"x[1]:",
        b"[",
        b'"',
        b"\\",
        b"]",
        b"- ",
    ]
)


@given(st.lists(pieces | st.binary(max_size=8), max_size=12).map(b"".join))
def test_any_bytes_are_a_line(raw: bytes) -> None:
    line = read(raw)
    text = raw.rstrip(b"\n\0").decode("utf-8", "replace").replace("\0", "\ufffd")
    assert text.endswith(line.message)
