"""The journal's export format, read piece by piece, and its entries as log lines: pure.

Owns the reading of `journalctl --output=export` (systemd's "Journal Export Formats"): a field is `NAME=value` and a
newline, or, where the value holds a newline or control characters, the name, a newline, the length as 64 bits
little-endian, the value and a newline; an empty line ends an entry. Invariants: what is read is bounded, whatever an
entry holds; a value that is longer than `MOST_VALUE_BYTES` is cut and the rest of it passed over; unknown fields cost
nothing. Fed by `node.log_inputs.journal`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from slurmlens.log_lines import LogLine, Severity
from slurmlens.wire.log_bytes import LATE_S, cut, text_of

FIELDS = (
    *("MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "SYSLOG_FACILITY", "_PID", "_UID", "_COMM"),
    *("_SYSTEMD_UNIT", "_SYSTEMD_CGROUP", "_SOURCE_REALTIME_TIMESTAMP", "COREDUMP_CGROUP"),
)
"""What a line needs of an entry; `__CURSOR` and `__REALTIME_TIMESTAMP` come unasked."""

MOST_VALUE_BYTES = 1024 * 1024
_LENGTH_BYTES = 8
_NS_PER_US = 1000
_US_PER_S = 1_000_000

_MOST_SENDERS = 1024

_Fields = dict[bytes, bytes]


class Sender(msgspec.Struct, frozen=True):
    """What entries say of who wrote them: the same few processes log most lines."""

    program: str | None
    pid: int | None
    severity: int
    facility: int | None
    unit: str | None
    cgroup: str | None
    user_id: int | None


class JournalEntry(NamedTuple):
    """What a line needs of an entry; `stored_us` is the journal's time of it, `told_us` the sender's."""

    cursor: bytes | None
    stored_us: int | None
    told_us: int | None
    message: bytes | None
    sender: Sender


def entry_of(fields: Mapping[bytes, bytes]) -> JournalEntry:
    """The entry that has these fields."""
    get = fields.get
    stored, told = (_number(get(name)) for name in (b"__REALTIME_TIMESTAMP", b"_SOURCE_REALTIME_TIMESTAMP"))
    return JournalEntry(get(b"__CURSOR"), stored, told, get(b"MESSAGE"), _sender(fields))


class ExportReader:
    """Takes bytes as they come and gives entries as they end."""

    def __init__(self) -> None:
        self._rest = b""
        self._entry: _Fields = {}
        self._senders: dict[tuple[bytes, bytes, bytes], Sender] = {}
        self._pass_over = 0
        """Bytes of a value that is too long, still to come."""

    def feed(self, data: bytes) -> list[JournalEntry]:
        """The entries that end in `data`."""
        entries: list[JournalEntry] = []
        buffer, position = self._rest + data, 0
        while True:
            if self._pass_over:
                passed = min(self._pass_over, len(buffer) - position)
                self._pass_over -= passed
                position += passed
            if not self._entry:
                position = self._plain_entries(buffer, position, entries)
            after = self._field(buffer, position, entries)
            if after == position:
                break
            position = after
        self._rest = buffer[position:]
        return entries

    def _plain_entries(self, buffer: bytes, position: int, entries: list[JournalEntry]) -> int:
        """Takes entries without binary values, which nearly all are; returns the position behind the last of them."""
        while (end := buffer.find(b"\n\n", position)) > position:
            whole = buffer[position:end]
            entry = self._of_known_sender(whole)
            if entry is None:
                fields = _plain_fields(whole)
                if fields is None:
                    break
                entry = entry_of(fields)
            entries.append(entry)
            position = end + 2
        return position

    def _of_known_sender(self, whole: bytes) -> JournalEntry | None:
        """An entry as journalctl orders it: its place and times, a boot, fields with the message among them.

        All but the message and the times is looked up, as it stands, among what senders before had; whatever is in
        another order, or binary, is None, and read field by field.
        """
        head, has_message, rest = whole.partition(b"\nMESSAGE=")
        head, has_boot, before = head.partition(b"\n_BOOT_ID=")
        cursor, has_time, times = head.partition(b"\n__REALTIME_TIMESTAMP=")
        stored, _, further = times.partition(b"\n")
        is_begun = cursor.startswith(b"__CURSOR=") and b"\n" not in cursor
        if not (is_begun and has_time and has_boot and has_message) or not _is_about_place_and_time(further):
            return None
        rest, _, told = rest.partition(b"\n_SOURCE_REALTIME_TIMESTAMP=")
        told, _, last = told.partition(b"\n")
        message, _, behind = rest.partition(b"\n")
        sender = self._senders.get((before, behind, last)) or self._new_sender(before, behind, last)
        if sender is None:
            return None
        return JournalEntry(cursor[len(b"__CURSOR=") :], _number(stored), _number(told), message, sender)

    def _new_sender(self, before: bytes, behind: bytes, last: bytes) -> Sender | None:
        fields = _plain_fields(b"\n".join(part for part in (b"_BOOT_ID=" + before, behind, last) if part))
        if fields is None or b"MESSAGE" in fields or b"_SOURCE_REALTIME_TIMESTAMP" in fields:
            return None
        if len(self._senders) >= _MOST_SENDERS:
            self._senders.clear()
        sender = self._senders[before, behind, last] = _sender(fields)
        return sender

    def _field(self, buffer: bytes, position: int, entries: list[JournalEntry]) -> int:
        """Takes one field, or the end of an entry; returns the position behind it, the same where more must come."""
        newline = buffer.find(b"\n", position)
        if newline < 0:
            return self._endless(buffer, position)
        if newline == position:
            if self._entry:
                entries.append(entry_of(self._entry))
                self._entry = {}
            return position + 1
        equals = buffer.find(b"=", position, newline)
        if equals >= 0:
            self._entry[buffer[position:equals]] = buffer[equals + 1 : newline][:MOST_VALUE_BYTES]
            return newline + 1
        begin = newline + 1 + _LENGTH_BYTES
        if begin > len(buffer):
            return position
        size = int.from_bytes(buffer[newline + 1 : begin], "little")
        kept = min(size, MOST_VALUE_BYTES)
        if begin + kept + (size == kept) > len(buffer):
            return position
        self._entry[buffer[position:newline]] = buffer[begin : begin + kept]
        self._pass_over = size - kept + (size != kept)  # with the newline at its end
        return begin + kept + (size == kept)

    def _endless(self, buffer: bytes, position: int) -> int:
        """A line that does not end is no field of the journal's: it is given up where it is too long."""
        return len(buffer) if len(buffer) - position > 2 * MOST_VALUE_BYTES else position


def line_of_entry(entry: JournalEntry, node: str, arrived_ns: int) -> LogLine | None:
    """The line in an entry; None where it has no message.

    The journal's own word about the sender (`_PID`, `_UID`, `_SYSTEMD_UNIT`, `_SYSTEMD_CGROUP`) goes before the
    sender's. The id is the cursor's beginning, a journal's own id and the entry's number in it: an entry that is read
    again is the same line.
    """
    cursor, stored_us, told_us, raw, sender = entry
    if raw is None:
        return None
    fields: dict[str, str | int] = {}
    message, is_cut = text_of(raw, fields)
    time_us = told_us or stored_us
    if stored_us and time_us and abs(time_us - stored_us) > LATE_S * _US_PER_S:
        fields["clock_off_s"] = (time_us - stored_us) // _US_PER_S
    return LogLine(
        id="" if cursor is None else cursor.partition(b";b=")[0].decode("ascii", "replace"),
        time_ns=time_us * _NS_PER_US if time_us else arrived_ns,
        node=node,
        message=message,
        program=sender.program,
        pid=sender.pid,
        severity=sender.severity,
        facility=sender.facility,
        unit=sender.unit,
        cgroup=sender.cgroup,
        user_id=sender.user_id,
        source="journal",
        is_cut=is_cut,
        fields=fields,
    )


def _is_about_place_and_time(lines: bytes) -> bool:
    """Whether all of them are such fields, of which the names begin with two underscores."""
    return not lines or (lines.startswith(b"__") and lines.count(b"\n") == lines.count(b"\n__"))


def _plain_fields(lines: bytes) -> _Fields | None:
    """Fields that are a line each; None where one is binary: its name stands alone on a line, which is no pair."""
    try:
        return dict([field.split(b"=", 1) for field in lines.split(b"\n")])
    except ValueError:
        return None


def _sender(fields: Mapping[bytes, bytes]) -> Sender:
    get = fields.get
    severity = _number(get(b"PRIORITY"))
    return Sender(
        program=_name(get(b"SYSLOG_IDENTIFIER") or get(b"_COMM")),
        pid=_number(get(b"_PID")),
        severity=severity if severity is not None and severity <= Severity.DEBUG else Severity.INFO.value,
        facility=_number(get(b"SYSLOG_FACILITY")),
        unit=_name(get(b"_SYSTEMD_UNIT")),
        cgroup=_path(get(b"COREDUMP_CGROUP") or get(b"_SYSTEMD_CGROUP")),
        user_id=_number(get(b"_UID")),
    )


def _number(value: bytes | None) -> int | None:
    return int(value) if value is not None and value.isdigit() and len(value) < 19 else None


def _name(value: bytes | None) -> str | None:
    return None if value is None else cut(value)


def _path(value: bytes | None) -> str | None:
    return None if value is None else value[:4096].decode("utf-8", "replace")
