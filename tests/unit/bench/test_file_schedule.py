"""What strace saw is counted right, and nothing that strace may print stops the counting."""

from __future__ import annotations

from pathlib import Path

from bench.file_schedule import parse
from hypothesis import given
from hypothesis import strategies as st

JOB = "/sys/fs/cgroup/cpuacct/slurm_n0/uid_1000/job_7"
USAGE = f"{JOB}/cpuacct.usage"
STAT = "/sys/fs/cgroup/memory/slurm_n0/uid_1000/job_7/memory.stat"


def test_reads_of_counter_files_are_counted_by_path() -> None:
    lines = [f'12 pread64(17<{USAGE}>, ""..., 8191, 0) = 10\n'] * 12
    lines += [f'12 pread64(18<{STAT}>, ""..., 8191, 0) = 767\n'] * 2
    seen = parse(lines, 12)
    assert seen.reads == {Path(USAGE): 12, Path(STAT): 2}
    assert seen.on_counters == {"pread64": 14}


def test_the_schedule_says_at_every_which_tick_a_file_is_read() -> None:
    lines = [f"pread64(17<{USAGE}>, ..., 8191, 0) = 10"] * 12 + [f"pread64(18<{STAT}>, ..., 8191, 0) = 767"] * 2
    assert parse(lines, 12).schedule(ticks=12) == {Path(USAGE): 1, Path(STAT): 6}


def test_a_file_read_twice_in_a_tick_is_one_sample() -> None:
    lines = [f"pread64(17<{USAGE}>, ..., 8191, 0) = 10"] * 24 + [f"pread64(18<{STAT}>, ..., 8191, 0) = 767"] * 2
    assert parse(lines, 12).samples(ticks=12) == 12 + 2


def test_an_interrupted_call_counts_once() -> None:
    lines = [f"12 pread64(17<{USAGE}>,  <unfinished ...>", '12 <... pread64 resumed>""..., 8191, 0) = 10']
    assert parse(lines, 1).reads == {Path(USAGE): 1}


def test_opening_and_closing_a_counter_file_count_as_calls_on_it_but_not_as_reads() -> None:
    lines = [
        f'12 openat(AT_FDCWD</>, "{USAGE}", O_RDONLY|O_CLOEXEC) = 17<{USAGE}>',
        f"12 close(17<{USAGE}>) = 0",
    ]
    seen = parse(lines, 1)
    assert seen.on_counters == {"openat": 1, "close": 1}
    assert not seen.reads


def test_folders_and_files_outside_of_jobs_are_no_counters() -> None:
    lines = [
        f"12 getdents64(17<{JOB}>, 0x7f /* 5 entries */, 32768) = 160",
        '12 read(3</proc/meminfo>, ""..., 4096) = 1400',
        "12 epoll_wait(4<anon_inode:[eventpoll]>, [], 2, 0) = 0",
    ]
    seen = parse(lines, 1)
    assert not seen.on_counters
    assert sum(seen.calls.values()) == 3


@given(st.lists(st.text()))
def test_any_text_is_counted_or_passed_over(lines: list[str]) -> None:
    seen = parse(lines, 1)
    assert seen.reads_total <= sum(seen.on_counters.values()) <= sum(seen.calls.values()) <= len(lines)
