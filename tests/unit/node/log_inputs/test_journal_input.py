"""The journal input on a real journald and a real journalctl; without them on a program that does what they can do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from slurmlens.config.log_inputs import JournalInputConfig, LogInputsConfig
from testkit.log_node import log_node
from testkit.own_journal import lacking, own_journal

ENTRY = "__CURSOR={cursor}\\n__REALTIME_TIMESTAMP=1795420800000000\\nMESSAGE={text}\\n\\n"


async def test_entries_of_a_real_journal_come_once_and_the_next_daemon_goes_on_behind_them(tmp_path: Path) -> None:
    if missing := lacking():
        pytest.skip(missing)
    (tmp_path / "etc").mkdir()
    async with own_journal(tmp_path / "etc") as journal:
        config = LogInputsConfig(journal=JournalInputConfig(folder=journal.folder, from_beginning=True), linger_s=0.01)
        journal.write({"MESSAGE": b"two\nlines \xff", "PRIORITY": b"3", "SYSLOG_IDENTIFIER": b"slurm_12"})
        async with log_node(tmp_path, config) as node:
            await node.until(lambda: "two\nlines \ufffd" in node.texts, "the entry came")
            journal.log(b"<27>Nov 23 08:00:00 slurmd[812]: error: later")
            await node.until(lambda: "error: later" in node.texts, "what is logged meanwhile came")
            (line,) = [one for one in node.lines if one.program == "slurm_12"]
            assert (line.severity, line.user_id, line.pid, line.fields["replaced"]) == (3, 0, os.getpid(), 1)
        before = len(node.lines)
        journal.write({"MESSAGE": b"while nobody ran"})
        async with log_node(tmp_path, config) as node:
            await node.until(lambda: node.texts, "it came")
            assert node.texts[0] == "while nobody ran"
        assert before >= 2


def program(folder: Path, *lives: str) -> Path:
    """A program that does in its lives what these shell lines say; it writes down how it was called."""
    path = folder / "journalctl"
    cases = "\n".join(f"{number}) {life} ;;" for number, life in enumerate(lives))
    path.write_text(
        f"#!/bin/sh\nn=$(cat {folder}/lives 2>/dev/null || echo 0)\necho $((n+1)) > {folder}/lives\n"
        f'echo "$*" >> {folder}/calls\ncase $n in\n{cases}\n*) exec sleep 100 ;;\nesac\n'
    )
    path.chmod(0o755)
    return path


def calls(folder: Path) -> list[str]:
    path = folder / "calls"
    return path.read_text().splitlines() if path.exists() else []


async def test_a_child_that_ends_is_started_again_behind_the_last_entry_it_told(tmp_path: Path) -> None:
    told = ENTRY.format(cursor="c1", text="one")
    fake = program(tmp_path, f"printf '{told}'; echo Bad message >&2; exit 1")
    config = LogInputsConfig(journal=JournalInputConfig(program=fake), linger_s=0.01)
    async with log_node(tmp_path, config) as node:
        await node.until(lambda: len(calls(tmp_path)) == 2, "it was started again")
        assert node.texts == ["one"]
    first, second = calls(tmp_path)
    assert "--since=@1795420800" in first
    assert "--after-cursor=c1" in second
    assert any("log_journal_ended" in name for name in node.counters.snapshot())


async def test_a_cursor_that_the_journal_has_no_more_is_given_up_and_the_gap_is_reported(tmp_path: Path) -> None:
    told = ENTRY.format(cursor="c1", text="one")
    fake = program(tmp_path, f"printf '{told}'", "exit 1", "exit 1")
    config = LogInputsConfig(journal=JournalInputConfig(program=fake), linger_s=0.01)
    async with log_node(tmp_path, config) as node:
        await node.until(lambda: len(calls(tmp_path)) == 4, "it was started without the cursor")
    assert "--after-cursor=c1" in calls(tmp_path)[2]
    assert not {"--after-cursor", "--since"} & {word.partition("=")[0] for word in calls(tmp_path)[3].split()}
    assert any("log_journal_gap" in name for name in node.counters.snapshot())


async def test_a_program_that_is_not_there_is_reported(tmp_path: Path) -> None:
    config = LogInputsConfig(journal=JournalInputConfig(program=tmp_path / "none"), linger_s=0.01)
    async with log_node(tmp_path, config) as node:
        await node.until(
            lambda: any("log_journal_unavailable" in name for name in node.counters.snapshot()), "it is reported"
        )


@pytest.mark.parametrize("match", ["no match", "=x", "lower=x"])
def test_what_is_no_match_of_journalctls_is_a_problem_with_its_key(match: str) -> None:
    assert [key for key, _ in JournalInputConfig(matches=(match,)).problems()] == ["matches"]
