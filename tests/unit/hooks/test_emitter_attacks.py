"""Whatever is missing, full, forbidden, limited or sent to it: exit status 0, and the whole event or none."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from slurmlens.wire import hook as hook_format
from testkit.checkout import ROOT
from testkit.hook_program import HookProgram, limit, sample

PROLOG = sample("26.05/prolog")
NODE = PROLOG["SLURMD_NODENAME"]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts and other users need root")


def _is_told_as_lost(program: HookProgram, role: str = "prolog") -> bool:
    return program.written() == [] and program.lost_count(role) == 1


def _in_own_mounts(program: HookProgram, script: str, *, called_as: str = "slurmlens-prolog") -> str:
    """Run a shell script in a mount namespace of its own; `hook` in it runs the emitter and prints its status."""
    prelude = f"hook() {{ (exec -a {called_as} {program.path}); echo status=$?; }}\n"
    result = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "bash", "-e", "-c", prelude + script],
        env={**PROLOG, "PATH": os.environ["PATH"], "BASE": str(program.base)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return result.stdout


def test_a_missing_dropbox_is_counted(any_hook: HookProgram) -> None:
    any_hook.events.rmdir()
    assert any_hook.run(PROLOG).returncode == 0
    assert any_hook.lost_count("prolog") == 1


def test_nothing_at_all_in_run_is_no_error(any_hook: HookProgram) -> None:
    shutil.rmtree(any_hook.base)
    assert any_hook.run(PROLOG).returncode == 0
    assert not any_hook.base.exists()


def test_losses_are_told_to_syslog_without_waiting_for_it(hook: HookProgram) -> None:
    hook.events.rmdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind(str(hook.syslog_socket))
        for _ in range(300):  # far more than a socket that nobody reads takes (net.unix.max_dgram_qlen)
            assert hook.run(PROLOG).returncode == 0
        first = syslog.recv(1000).decode()
    assert first == (
        f"<27>slurmlens-prolog: event of job {PROLOG['SLURM_JOB_ID']} is lost: cannot open {hook.events}, errno 2"
    )
    assert hook.lost_count("prolog") == 300


def test_losses_are_told_to_the_journal_where_there_is_one_with_the_jobs_id(hook: HookProgram) -> None:
    hook.events.rmdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(hook.journal_socket))
        assert hook.run(PROLOG).returncode == 0
        lines = journal.recv(1000).decode().splitlines()
        assert hook.run(PROLOG | {"SLURM_JOB_ID": "7\nPRIORITY=0"}).returncode == 0
        forged = journal.recv(1000).decode().splitlines()
    assert lines[:4] == [
        "PRIORITY=3",
        "SYSLOG_FACILITY=3",
        "SYSLOG_IDENTIFIER=slurmlens-prolog",
        f"SLURM_JOB_ID={PROLOG['SLURM_JOB_ID']}",
    ]
    assert lines[4].startswith(f"MESSAGE=event of job {PROLOG['SLURM_JOB_ID']} is lost: cannot open")
    assert [line for line in forged if line.startswith(("PRIORITY=0", "SLURM_JOB_ID"))] == []


def test_the_counter_of_losses_does_not_grow_for_ever(hook: HookProgram) -> None:
    hook.events.rmdir()
    (hook.lost / "prolog").write_bytes(b"." * (1024 * 1024 - 1))
    for _ in range(3):
        hook.run(PROLOG)
    assert hook.lost_count("prolog") == 1024 * 1024


@needs_root
def test_a_full_dropbox_loses_the_event_and_leaves_no_half_of_it(any_hook: HookProgram) -> None:
    said = _in_own_mounts(
        any_hook,
        "mount -t tmpfs -o size=8k none $BASE/events; head -c 8192 /dev/zero > $BASE/events/filler\n"
        "hook; ls -A $BASE/events",
    )
    assert said.split() == ["status=0", "filler"]
    assert any_hook.lost_count("prolog") == 1


@needs_root
def test_a_dropbox_without_inodes_loses_the_event(any_hook: HookProgram) -> None:
    said = _in_own_mounts(
        any_hook, "mount -t tmpfs -o nr_inodes=2 none $BASE/events; touch $BASE/events/filler\nhook; ls -A $BASE/events"
    )
    assert said.split() == ["status=0", "filler"]
    assert any_hook.lost_count("prolog") == 1


@needs_root
def test_a_read_only_dropbox_loses_the_event(any_hook: HookProgram) -> None:
    assert _in_own_mounts(any_hook, "mount -t tmpfs -o ro none $BASE/events; hook").split() == ["status=0"]
    assert any_hook.lost_count("prolog") == 1


@needs_root
def test_a_read_only_run_cannot_even_count_and_still_is_no_error(any_hook: HookProgram) -> None:
    said = _in_own_mounts(
        any_hook, "mount -t tmpfs none $BASE; mkdir $BASE/events $BASE/lost; mount -o remount,ro $BASE; hook"
    )
    assert said.split() == ["status=0"]


@needs_root
def test_without_proc_the_boot_is_the_nil_one(hook: HookProgram) -> None:
    assert _in_own_mounts(hook, "mount -t tmpfs none /proc; hook").split() == ["status=0"]
    assert hook_format.decode(hook.written()[0].read_bytes()).boot_id == "00000000-0000-0000-0000-000000000000"


@needs_root
def test_another_user_can_neither_write_nor_make_it_fail(any_hook: HookProgram) -> None:
    any_hook.events.chmod(0o2770)
    any_hook.base.parent.chmod(0o755)

    def become_nobody() -> None:
        os.setgid(65534)
        os.setuid(65534)

    result = any_hook.run(PROLOG, before_exec=become_nobody)
    assert result.returncode == 0
    assert any_hook.written() == []


@pytest.mark.parametrize("environment", [{}, {"SLURM_JOB_ID": ""}, {"PATH": "/bin"}], ids=["empty", "no id", "foreign"])
def test_without_slurms_variables_nothing_is_written_and_it_is_counted(
    any_hook: HookProgram, environment: dict[str, str]
) -> None:
    assert any_hook.run(environment, called_as="slurmlens-epilog").returncode == 0
    assert _is_told_as_lost(any_hook, "epilog")


@pytest.mark.parametrize("called_as", ["", "x", "prolog.sh", "/", "slurmlens-hook", "a" * 5000])
def test_a_name_that_says_nothing_is_counted_where_slurm_says_nothing_either(
    any_hook: HookProgram, called_as: str
) -> None:
    environment = {key: value for key, value in PROLOG.items() if key != "SLURM_SCRIPT_CONTEXT"}
    assert any_hook.run(environment, called_as=called_as).returncode == 0
    assert _is_told_as_lost(any_hook, "unknown")


def test_arguments_are_not_looked_at(hook: HookProgram, tmp_path: Path) -> None:
    assert hook.run(PROLOG, arguments=["--output", str(tmp_path), "-x"] * 100).returncode == 0
    assert len(hook.written()) == 1


def test_no_variable_leads_it_elsewhere(hook: HookProgram, tmp_path: Path) -> None:
    elsewhere = str(tmp_path)
    redirecting = {"TMPDIR": elsewhere, "RUN_BASE": elsewhere, "DROPBOX_BASE": elsewhere, "HOME": elsewhere}
    hook.run({**PROLOG, **redirecting, "SLURMLENS_DROPBOX": elsewhere, "LD_PRELOAD": "/nowhere.so"})
    assert len(hook.written()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("node", ["../outside", "..", ".", ".refused", "/abs", "a/b", "", "x" * 300, "link", "file"])
def test_no_node_name_leads_out_of_the_dropbox(any_hook: HookProgram, tmp_path: Path, node: str) -> None:
    (any_hook.base / "outside").mkdir()
    (any_hook.events / ".refused").mkdir()
    (any_hook.events / "link").symlink_to(tmp_path)
    (any_hook.events / "file").touch()
    assert any_hook.run({**PROLOG, "SLURMD_NODENAME": node}).returncode == 0
    (path,) = [path for path in any_hook.written() if path.name.endswith("-prolog.json")]
    assert path.parent == any_hook.events
    assert list(tmp_path.iterdir()) == list((any_hook.base / "outside").iterdir()) == []


def test_a_node_with_a_folder_of_its_own_gets_its_events_there(any_hook: HookProgram) -> None:
    (any_hook.events / NODE).mkdir()
    any_hook.run(PROLOG)
    any_hook.run({**PROLOG, "SLURMD_NODENAME": "other"})
    assert sorted(path.parent.name for path in any_hook.written()) == sorted([NODE, "events"])


def test_a_dropbox_that_is_a_link_is_not_followed(any_hook: HookProgram, tmp_path: Path) -> None:
    any_hook.events.rmdir()
    any_hook.events.symlink_to(tmp_path)
    assert any_hook.run(PROLOG).returncode == 0
    assert list(tmp_path.iterdir()) == []
    assert any_hook.lost_count("prolog") == 1


def test_the_kill_switch_silences_it_wholly(any_hook: HookProgram) -> None:
    (any_hook.base / "off").touch()
    any_hook.events.rmdir()
    assert any_hook.run(PROLOG).returncode == 0
    assert any_hook.lost_count("prolog") == 0


def test_the_reader_may_read_it_whatever_the_umask(any_hook: HookProgram) -> None:
    any_hook.run(PROLOG, before_exec=lambda: os.umask(0o777) and None)
    assert stat.S_IMODE(any_hook.written()[0].stat().st_mode) == 0o640


def _pending(*numbers: signal.Signals) -> Callable[[], None]:
    """Signals that wait for it at its start: they hit at the first moment it lets them."""

    def arrange() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        for number in numbers:
            os.kill(os.getpid(), number)

    return arrange


def test_no_signal_that_can_be_put_off_disturbs_it(any_hook: HookProgram) -> None:
    harmless = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGUSR1]
    result = any_hook.run(PROLOG, before_exec=_pending(*harmless, signal.SIGQUIT, signal.SIGXCPU, signal.SIGVTALRM))
    assert result.returncode == 0
    assert len(any_hook.written()) == 1


def test_the_alarm_ends_it_in_order(any_hook: HookProgram) -> None:
    assert any_hook.run(PROLOG, before_exec=_pending(signal.SIGALRM)).returncode == 0
    assert _is_told_as_lost(any_hook, "unknown")


def test_signals_that_its_parent_ignores_or_blocks_do_not_take_the_alarm_from_it(hook: HookProgram) -> None:
    def ignore_then_let_it_come() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        os.kill(os.getpid(), signal.SIGALRM)

    assert hook.run(PROLOG, before_exec=ignore_then_let_it_come).returncode == 0
    assert _is_told_as_lost(hook, "unknown")


def test_files_of_no_size_lose_the_event(hook: HookProgram) -> None:
    assert hook.run(PROLOG, before_exec=limit(resource.RLIMIT_FSIZE, 0)).returncode == 0
    assert hook.written() == []


def test_files_of_a_few_bytes_leave_no_half_event(hook: HookProgram) -> None:
    assert hook.run(PROLOG, before_exec=limit(resource.RLIMIT_FSIZE, 100)).returncode == 0
    assert _is_told_as_lost(hook)


@pytest.mark.parametrize("descriptors", [0, 1, 2, 3, 4, 5])
def test_without_descriptors_it_loses_the_event_or_writes_all_of_it(hook: HookProgram, descriptors: int) -> None:
    assert hook.run(PROLOG, before_exec=limit(resource.RLIMIT_NOFILE, descriptors)).returncode == 0
    for path in hook.written():
        hook_format.decode(path.read_bytes())


def test_a_small_stack_is_enough(hook: HookProgram) -> None:
    assert hook.run(PROLOG, before_exec=limit(resource.RLIMIT_STACK, 64 * 1024)).returncode == 0
    assert len(hook.written()) == 1


def test_closed_standard_files_are_not_missed(hook: HookProgram) -> None:
    assert hook.run(PROLOG, before_exec=lambda: os.closerange(0, 3)).returncode == 0
    hook_format.decode(hook.written()[0].read_bytes())


@needs_root
def test_four_thousand_in_a_row_wait_in_the_shipped_dropbox_for_a_daemon_that_is_not_there(hook: HookProgram) -> None:
    unit = (ROOT / "systemd" / "run-slurmlens-events.mount").read_text()
    options = next(line.partition("=")[2] for line in unit.splitlines() if line.startswith("Options="))
    sizes = ",".join(option for option in options.split(",") if option.startswith(("size=", "nr_inodes=")))
    said = _in_own_mounts(
        hook,
        f"mount -t tmpfs -o {sizes} none $BASE/events\n"
        f"for i in $(seq 4000); do SLURM_JOB_ID=$i {hook.path} || echo failed; done\n"
        "cat $BASE/events/*.json; ls -A $BASE/events | wc -l",
    )
    *documents, count = said.splitlines()
    jobs = [hook_format.decode(document.encode()).job.job_id for document in documents]
    assert jobs == list(range(1, 4001))
    assert count == "4000"
    assert hook.lost_count("prolog") == 0
