"""Log lines as others send them: every usual form is read, nothing that is odd stops the next line."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.clock import NS_PER_S
from slurmlens.errors import DecodeError
from slurmlens.log_lines import JobSource, LogLine
from slurmlens.wire.log_documents import MAX_MESSAGE_BYTES, documents, encode, line_of

NOW_NS = 1_796_000_000 * NS_PER_S
AT = "2026-11-30T04:00:00.5Z"
AT_NS = 1_796_011_200 * NS_PER_S + NS_PER_S // 2

FORMS = {
    "rsyslog's own JSON": {
        "message": "hello",
        "fromhost": "n1",
        "programname": "sshd",
        "procid": "812",
        "timereported": AT,
        "syslog_severity_code": 4,
    },
    "the document of 2015": {
        "@timestamp": AT,
        "@message": "hello",
        "@fields": {
            "host": "n1",
            "program": "sshd",
            "pid": "812",
            "syslog_severity_code": 4,
            "syslog_facility_code": 3,
        },
    },
    "Vector's syslog source": {
        "message": "hello",
        "hostname": "n1",
        "appname": "sshd",
        "procid": 812,
        "timestamp": AT,
        "severity": "warning",
        "host": "10.0.0.1",
    },
    "journald's JSON": {
        "MESSAGE": "hello",
        "_HOSTNAME": "n1",
        "SYSLOG_IDENTIFIER": "sshd",
        "_PID": "812",
        "PRIORITY": "4",
        "time": AT,
    },
    "Filebeat, ECS": {
        "@timestamp": AT,
        "message": "hello",
        "host": {"name": "n1"},
        "process": {"name": "sshd", "pid": 812},
        "log": {"level": "WARN"},
    },
    "ECS with dots": {
        "@timestamp": AT,
        "message": "hello",
        "host.name": "n1",
        "process.name": "sshd",
        "process.pid": 812,
        "log.level": "warning",
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_every_usual_form_is_read_alike(form: str) -> None:
    line = line_of(FORMS[form], AT_NS)
    assert (line.time_ns, line.node, line.message) == (AT_NS, "n1", "hello")
    assert (line.program, line.pid, line.severity) == ("sshd", 812, 4)


def test_a_line_is_read_as_it_was_written() -> None:
    line = LogLine(
        id="a",
        time_ns=AT_NS,
        node="n1",
        message='it\'s "odd" \\',
        program="slurmd",
        pid=7,
        severity=3,
        facility=3,
        unit="slurmd.service",
        cgroup="/job_12",
        user_id=0,
        source="journal",
        job_id=12,
        step="0",
        job_source=JobSource.CGROUP,
        sluid="s0123456789AB",
        contradiction="tag says job 7",
        is_cut=True,
        repeats=4,
        fields={"clock_off_s": -3600, "host_as_sent": "elsewhere"},
    )
    assert line_of(msgspec.json.decode(encode(line)), AT_NS) == line


@pytest.mark.parametrize(
    ("document", "words"), [({"host": "n1"}, "message"), ({"message": "x"}, "host.name"), ({}, "message")]
)
def test_what_has_no_message_or_no_host_is_refused_with_its_name(document: dict[str, str], words: str) -> None:
    with pytest.raises(DecodeError, match=words):
        line_of(document, NOW_NS)


@pytest.mark.parametrize("stamp", ["no time", "1970-01-01T00:00:00Z", "2099-01-01T00:00:00Z", -5, True, [1], "9" * 500])
def test_a_time_that_is_none_is_that_of_arrival_and_what_was_sent_is_kept(stamp: object) -> None:
    line = line_of({"message": "x", "host": "n1", "@timestamp": stamp}, NOW_NS)
    assert line.time_ns == NOW_NS
    assert line.fields == {"time_as_sent": str(stamp if not isinstance(stamp, list) else stamp[0])[:64]}


def test_a_line_that_is_sent_twice_is_one() -> None:
    document = {"message": "x", "host": "n1", "@timestamp": AT}
    assert line_of(document, NOW_NS).id == line_of(document, NOW_NS + 1).id
    assert line_of({**document, "event": {"id": "theirs"}}, NOW_NS).id == "theirs"


def test_a_long_message_is_cut_and_says_so_and_a_nul_is_visible() -> None:
    line = line_of({"message": "ä" * MAX_MESSAGE_BYTES, "host": "n1"}, NOW_NS)
    assert line.is_cut
    assert len(line.message.encode()) <= MAX_MESSAGE_BYTES
    assert line_of({"message": "a\x00b", "host": "n1"}, NOW_NS).message == "a\ufffdb"


def test_a_body_is_lines_or_an_array_and_one_bad_line_costs_itself() -> None:
    body = b'{"message":"a"}\n\nnonsense\n{"message":"b\xff"}\n'
    found = list(documents(body))
    assert [number for number, _ in found] == [1, 3, 4]
    assert isinstance(found[1][1], DecodeError)
    assert found[2][1] == {"message": "b\ufffd"}
    assert [document for _, document in documents(b' [{"message":"a"},{"message":"b"}]')] == [
        {"message": "a"},
        {"message": "b"},
    ]
    assert [type(document) for _, document in documents(b"[1]")] == [DecodeError]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = (
    "message",
    "host",
    "host.name",
    "@timestamp",
    "severity",
    "pid",
    "@fields",
    "log",
    "process",
    "slurm",
    "event",
    "uid",
)


@given(st.dictionaries(st.sampled_from(NAMES), values))
def test_any_document_is_a_line_or_refused(document: dict[str, object]) -> None:
    try:
        line = line_of(document, NOW_NS)
    except DecodeError:
        return
    assert line_of(msgspec.json.decode(encode(line)), NOW_NS).message == line.message


@given(st.binary(max_size=200))
def test_any_bytes_are_documents_or_refused(body: bytes) -> None:
    for _, document in documents(body):
        assert isinstance(document, dict | DecodeError)
