"""Where standard output is the journal, a line is an entry that can be searched by its fields; nothing gets lost on the
way there."""

from __future__ import annotations

import array
import json
import logging
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import InternalEvent, Reporter
from slurmlens.telemetry.log import configure
from testkit.manual_clock import ManualClock

ENDED = InternalEvent("step_ended", logging.WARNING, "step {step} of job {job_id} ended: {problem}")


class Journald:
    """The receiving end of a real datagram socket, read as journald reads it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(5.0)

    def entry(self) -> dict[str, str]:
        data, ancillary, _flags, _address = self._socket.recvmsg(1 << 20, socket.CMSG_SPACE(4))
        for _level, _type, rights in ancillary:
            file = array.array("i", rights)[0]
            data = os.pread(file, 1 << 26, 0)
            os.close(file)
        return dict(_fields(data))

    def close(self) -> None:
        self._socket.close()
        self.path.unlink()


def _fields(data: bytes) -> Iterator[tuple[str, str]]:
    while data:
        line, _, rest = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(rest[:8], "little")
            value, rest = rest[8 : 8 + size], rest[8 + size :].removeprefix(b"\n")
        yield name.decode(), value.decode()
        data = rest


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[Journald]:
    made = Journald(tmp_path / "journal")
    yield made
    made._socket.close()


Report = Callable[..., None]


@pytest.fixture
def report(tmp_path: Path, journald: Journald, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Report]:
    with (tmp_path / "out").open("w+") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        logger = configure("info", "auto", "slurmlens-node", stream, journald.path)
        yield lambda **fields: Reporter(Counters(), clock).report(ENDED, **fields)
        for handler in logger.handlers:
            handler.close()
        logger.handlers.clear()


def test_an_entry_can_be_searched_by_job_step_priority_and_program(report: Report, journald: Journald) -> None:
    report(job_id=4711, step="batch", problem="odd")
    assert journald.entry() == {
        "MESSAGE": "step batch of job 4711 ended: odd",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "slurmlens-node",
        "SLURM_JOB_ID": "4711",
        "SLURM_STEP_ID": "batch",
        "SLURMLENS_EVENT": "step_ended",
        "SLURMLENS_PROBLEM": "odd",
    }


@pytest.mark.parametrize("problem", ["two\nlines", "PRIORITY=0\nSLURM_JOB_ID=1", "x" * 3_000_000, "\udcff"])
def test_a_value_forges_no_field_and_comes_whole_however_large(
    problem: str, report: Report, journald: Journald
) -> None:
    report(job_id=4711, step="0", problem=problem)
    entry = journald.entry()
    assert entry["SLURMLENS_PROBLEM"] == problem.encode("utf-8", "backslashreplace").decode()
    assert (entry["PRIORITY"], entry["SLURM_JOB_ID"]) == ("4", "4711")


def test_a_traceback_stands_in_the_message(report: Report, journald: Journald) -> None:
    report(job_id=1, step="0", problem="odd", cause=KeyError("lost"))
    assert "KeyError: 'lost'" in journald.entry()["MESSAGE"]


def test_without_journald_the_line_goes_to_standard_output_with_its_priority(
    report: Report, journald: Journald, tmp_path: Path
) -> None:
    journald.close()
    report(job_id=4711, step="0", problem="odd")
    assert (tmp_path / "out").read_text().startswith("<4>")
    assert "step 0 of job 4711 ended: odd" in (tmp_path / "out").read_text()


def test_where_there_is_no_journal_a_line_of_json_has_the_same_fields(clock: ManualClock, tmp_path: Path) -> None:
    with (tmp_path / "out").open("w+") as stream:
        logger = configure("info", "auto", "slurmlens-node", stream)
        Reporter(Counters(), clock).report(ENDED, job_id=4711, step="batch", problem="odd")
        logger.handlers.clear()
        stream.seek(0)
        told = json.loads(stream.read())
    assert told["message"] == "step batch of job 4711 ended: odd"
    expected = {
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "slurmlens-node",
        "SLURM_JOB_ID": "4711",
        "SLURM_STEP_ID": "batch",
    }
    assert expected.items() <= told.items()
