"""Each system call of the emitter made to fail, and each made its last: strace stands in for a bad kernel."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from slurmlens.wire import hook as hook_format
from testkit.hook_program import HookProgram, sample

EPILOG = sample("26.05/epilog")

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed (Debian: strace)")


def _traced(program: HookProgram, *options: str) -> subprocess.CompletedProcess[bytes]:
    strace = shutil.which("strace")
    assert strace is not None
    return program.run(EPILOG, prefix=[strace, "-qq", "-o", str(program.base / "trace"), *options])


def _calls_of_a_good_run(program: HookProgram) -> list[str]:
    """Names of the calls in their order, from the first of our own code on."""
    _traced(program)
    lines = (program.base / "trace").read_text().splitlines()
    return re.findall(r"^(\w+)\(", "\n".join(lines[1:]), re.MULTILINE)


def _numbered(calls: list[str]) -> list[tuple[str, int]]:
    """Each call with how many of its name came up to it, as `strace -e inject=…:when=` counts."""
    return [(name, calls[: index + 1].count(name)) for index, name in enumerate(calls) if name != "exit_group"]


def _assert_whole_or_none(program: HookProgram, *, killed: bool = False) -> None:
    events = [path for path in program.written() if not path.name.startswith(".")]
    for path in events:
        hook_format.decode(path.read_bytes())
    if not killed:
        assert len(program.written()) == len(events), "a temporary file was left"
    assert len(events) <= 1


@pytest.mark.parametrize("error", ["EIO", "ENOSYS", "EINTR", "EACCES", "ENOSPC", "EMFILE"])
def test_every_call_may_fail(hook: HookProgram, error: str) -> None:
    for name, number in _numbered(_calls_of_a_good_run(hook)):
        hook.prepare()
        result = _traced(hook, "-e", f"inject={name}:error={error}:when={number}")
        assert result.returncode == 0, (name, number)
        _assert_whole_or_none(hook)


@pytest.mark.parametrize("signal_name", ["ALRM", "SEGV", "BUS", "SYS", "TERM", "XFSZ"])
def test_every_call_may_be_met_by_a_signal(hook: HookProgram, signal_name: str) -> None:
    calls = _numbered(_calls_of_a_good_run(hook))
    # Before its first lines have run, no program can do anything about a signal.
    armed = next(index for index, (name, _) in enumerate(calls) if name == "setitimer")
    for name, number in calls[armed:]:
        hook.prepare()
        result = _traced(hook, "-e", f"inject={name}:signal={signal_name}:when={number}")
        assert result.returncode == 0, (name, number)
        _assert_whole_or_none(hook)
        told = hook.lost_count("epilog") + hook.lost_count("unknown")
        assert len(hook.written()) + told == 1, (name, number)


def test_killed_at_any_call_it_leaves_a_whole_event_or_none(hook: HookProgram) -> None:
    for name, number in _numbered(_calls_of_a_good_run(hook)):
        hook.prepare()
        _traced(hook, "-e", f"inject={name}:signal=KILL:when={number}")
        _assert_whole_or_none(hook, killed=True)


def test_it_does_no_more_than_it_must(hook: HookProgram) -> None:
    calls = _calls_of_a_good_run(hook)
    assert len(calls) <= 25, calls  # two of them ask whether it is to be silent: by an administrator, by the hub
    assert not {"connect", "execve", "clone", "fork", "mmap", "brk", "nanosleep", "fsync"} & set(calls)
