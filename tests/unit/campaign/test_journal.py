"""The journal keeps what it took, one controller writes it, and a disk that takes nothing is told apart from damage."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from slurmlens.campaign import record
from slurmlens.campaign.journal import Journal, Lock
from slurmlens.errors import CampaignError, JournalBusy


def asked(point: int) -> record.Asked:
    return record.Asked(at_s=1.5, point=point, parameters={"x": 0.1 + 0.2, "n": 3, "s": "a"})


def test_events_come_back_equal_and_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")
    events: list[record.Event] = [asked(1), record.Released(at_s=2.0, point=1, attempt=1)]
    for event in events:
        journal.append(event)
    journal.close()
    assert Journal(tmp_path / "j.db").events() == events


def test_a_second_writer_is_told_and_ends(tmp_path: Path) -> None:
    first, second = Journal(tmp_path / "j.db"), Journal(tmp_path / "j.db")
    first.events()
    second.events()
    first.append(asked(1))
    with pytest.raises(CampaignError, match="another controller writes"):
        second.append(asked(1))


def test_the_lock_says_who_has_it_and_dies_with_its_process(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from slurmlens.campaign.journal import Lock;"
        "lock = Lock(Path(sys.argv[1])); assert lock.take() is None; print('have', flush=True); time.sleep(60)"
    )
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"have\n"
        assert f"process {other.pid} on" in (Lock(path).take() or "")
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
    lock = Lock(path)
    assert lock.take() is None
    lock.free()


def test_a_full_disk_is_busy_and_goes_on_afterwards(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")
    journal.append(asked(1))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        big = record.Opened(at_s=0, name="a", text="x" * 100_000, versions={})
        with pytest.raises(JournalBusy):
            journal.append(big)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(journal.events()) == 1
    journal.append(asked(2))
    assert len(journal.events()) == 2


def test_what_is_no_journal_is_said(tmp_path: Path) -> None:
    (tmp_path / "j.db").write_bytes(b"this is no database at all" * 100)
    with pytest.raises(CampaignError, match="is no journal"):
        Journal(tmp_path / "j.db")
