"""The journal's export format: read as systemd writes it, wherever a pipe cuts it."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from slurmlens.log_lines import LogLine
from slurmlens.wire.journal_export import MOST_VALUE_BYTES, ExportReader, JournalEntry, entry_of, line_of_entry

RECORDED = Path(__file__).parents[2] / "fixtures/log_lines/journal-252.export"
"""What journalctl 252 wrote of a journal of journald 252 that `testkit.own_journal` had written these entries to."""


def plain(name: bytes, value: bytes) -> bytes:
    return b"%s=%s\n" % (name, value)


def binary(name: bytes, value: bytes) -> bytes:
    return b"%s\n%s%s\n" % (name, len(value).to_bytes(8, "little"), value)


def line(fields: dict[bytes, bytes]) -> LogLine:
    return line_in(entry_of(fields))


def line_in(entry: JournalEntry) -> LogLine:
    found = line_of_entry(entry, "n1", 5)
    assert found is not None
    return found


names = st.sampled_from([b"MESSAGE", b"_PID", b"PRIORITY", b"__CURSOR", b"_SYSTEMD_CGROUP", b"X"])
fields = st.dictionaries(names, st.binary(max_size=30), min_size=1, max_size=5)


@given(st.lists(fields, max_size=6), st.integers(1, 40))
def test_entries_come_out_as_they_were_wherever_the_pipe_cuts(told: list[dict[bytes, bytes]], size: int) -> None:
    stream = b"".join(
        b"".join((binary if b"\n" in value else plain)(*pair) for pair in entry.items() for value in [pair[1]]) + b"\n"
        for entry in told
    )
    reader, found = ExportReader(), list[JournalEntry]()
    for begin in range(0, len(stream), size):
        found += reader.feed(stream[begin : begin + size])
    assert found == [entry_of(entry) for entry in told]


texts = st.text("ab=\n\xe9 ", max_size=12).map(str.encode)
pids = st.sampled_from([b"7", b"x", b"8\nMESSAGE=forged", b"8\n_BOOT_ID=b\nMESSAGE=forged"])
senders = st.permutations(
    [b"_BOOT_ID", b"PRIORITY", b"_PID", b"MESSAGE", b"SYSLOG_IDENTIFIER", b"_SOURCE_REALTIME_TIMESTAMP"]
)


@given(st.lists(st.tuples(texts, pids, senders, st.integers(0, 6)), max_size=6), st.integers(1, 200))
def test_an_entry_of_a_known_sender_is_read_as_field_by_field(
    told: list[tuple[bytes, bytes, list[bytes], int]], size: int
) -> None:
    expected, stream = [], b""
    for number, (message, pid, order, left_out) in enumerate(told):
        values = {
            b"_BOOT_ID": b"b",
            b"PRIORITY": b"4",
            b"_PID": pid,
            b"MESSAGE": message,
            b"SYSLOG_IDENTIFIER": b"app",
            b"_SOURCE_REALTIME_TIMESTAMP": b"%d" % (1796033547913378 + number),
        }
        place = {b"__CURSOR": b"s=1;i=%x;b=2" % number, b"__REALTIME_TIMESTAMP": b"1796037147913378"}
        fields = place | {name: values[name] for name in [*order[:left_out], *order[left_out + 1 :]]}
        stream += b"".join((binary if b"\n" in value else plain)(name, value) for name, value in fields.items()) + b"\n"
        expected.append(entry_of(fields))
    reader, found = ExportReader(), list[JournalEntry]()
    for begin in range(0, len(stream), size):
        found += reader.feed(stream[begin : begin + size])
    assert found == expected


def test_a_value_that_is_too_long_is_cut_and_the_next_entry_is_whole() -> None:
    huge = b"a\n" * MOST_VALUE_BYTES
    stream = binary(b"MESSAGE", huge) + b"\n" + plain(b"MESSAGE", b"next") + b"\n"
    reader, found = ExportReader(), list[JournalEntry]()
    for begin in range(0, len(stream), 65_536):
        found += reader.feed(stream[begin : begin + 65_536])
    assert [entry.message for entry in found] == [huge[:MOST_VALUE_BYTES], b"next"]


@given(st.binary(max_size=300))
def test_any_bytes_are_read_and_their_entries_are_lines_or_nothing(data: bytes) -> None:
    for entry in ExportReader().feed(data + b"\n\n"):
        line_of_entry(entry, "n1", 5)


def test_what_journald_trusts_goes_before_what_the_sender_says() -> None:
    entry = {
        b"__CURSOR": b"s=1;i=2",
        b"__REALTIME_TIMESTAMP": b"1796037147913378",
        b"_SOURCE_REALTIME_TIMESTAMP": b"1796033547913378",
        b"MESSAGE": b"two\nlines",
        b"PRIORITY": b"3",
        b"SYSLOG_IDENTIFIER": b"slurm_12",
        b"SYSLOG_PID": b"1",
        b"SYSLOG_FACILITY": b"3",
        b"_PID": b"812",
        b"_UID": b"1000",
        b"_COMM": b"app",
        b"_SYSTEMD_UNIT": b"slurmstepd.scope",
        b"_SYSTEMD_CGROUP": b"/system.slice/slurmstepd.scope/job_12/step_0/user/task_0",
    }
    found = line(entry)
    assert (found.program, found.pid, found.user_id, found.severity, found.facility) == ("slurm_12", 812, 1000, 3, 3)
    assert (found.unit, found.cgroup) == ("slurmstepd.scope", entry[b"_SYSTEMD_CGROUP"].decode())
    assert (found.time_ns, found.message) == (1796033547913378000, "two\nlines")
    assert found.fields == {"clock_off_s": -3600}
    assert found.id == line(entry).id != line({**entry, b"__CURSOR": b"s=1;i=3"}).id


def test_an_entry_that_is_odd_is_kept_and_one_without_a_message_is_none() -> None:
    odd = line({b"MESSAGE": b"a\xff\0", b"PRIORITY": b"99", b"_PID": b"x", b"_UID": b"-1"})
    assert (odd.message, odd.severity, odd.pid, odd.user_id, odd.time_ns) == ("a\ufffd\ufffd", 6, None, None, 5)
    assert line_of_entry(entry_of({b"PRIORITY": b"3"}), "n1", 5) is None


def test_a_core_dump_is_of_the_job_whose_process_died() -> None:
    job = b"/system.slice/slurmstepd.scope/job_7/step_0/user/task_0"
    assert line({b"MESSAGE": b"x", b"_SYSTEMD_CGROUP": b"/init.scope", b"COREDUMP_CGROUP": job}).cgroup == job.decode()


def test_what_a_real_journal_exports_is_read() -> None:
    found = [line_in(entry) for entry in ExportReader().feed(RECORDED.read_bytes())]
    by_text = {one.message: one for one in found}
    native = by_text["two\nlines"]
    assert (native.program, native.severity, native.user_id, native.time_ns) == ("slurm_12", 4, 0, 1796038189379151000)
    assert by_text["bytes: \ufffd\ufffd"].fields == {"replaced": 2}
    assert by_text["  kept blanks  "].program == "app"
    by_syslog = by_text["error: by /dev/log"]
    assert (by_syslog.program, by_syslog.severity, by_syslog.facility, by_syslog.pid) == ("slurmd", 3, 3, 2460)
    assert len({one.id for one in found}) == len(found) == 6
