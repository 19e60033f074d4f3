"""Which files the daemon reads and how often, seen from outside (strace), so that the reference reads exactly the same.

Owns the parsing of strace's lines and nothing else. Used by the steady-state campaign (the reference's list) and by
P3 (system calls per file and sample).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bench.result import NotMeasurable

# "12345 pread64(17</sys/fs/cgroup/…>, …" ; the resumed half of an interrupted line is not counted twice.
_CALL = re.compile(r"^(?:\d+\s+)?(?P<name>[a-z_0-9]+)\((?P<rest>.*)$")
_DESCRIPTOR_PATH = re.compile(r"^\d+<(?P<path>/[^>]*)>")
_OPENED_PATH = re.compile(r"= \d+<(?P<path>/[^>]*)>\s*$")
READS = frozenset({"pread64", "read", "preadv", "preadv2", "readv"})
OPENS = frozenset({"open", "openat", "openat2"})


@dataclass
class Seen:
    """What a process did while it was watched for `seconds`."""

    seconds: float
    calls: Counter[str] = field(default_factory=Counter)
    reads: Counter[Path] = field(default_factory=Counter)
    on_counters: Counter[str] = field(default_factory=Counter)
    """System calls by name that had to do with a cgroup's counter file."""

    @property
    def reads_total(self) -> int:
        return sum(self.reads.values())

    def schedule(self, ticks: int) -> dict[Path, int]:
        """Every file read, and at every which of the `ticks` that there were."""
        return {path: max(1, round(ticks / count)) for path, count in self.reads.items()}

    def samples(self, ticks: int) -> int:
        """How many reads that schedule asks for: each file once at each of its ticks."""
        return sum(min(count, ticks) for count in self.reads.values())


def watch(pid: int, seconds: int, folder: Path) -> Seen:
    """Traces all threads of `pid` for `seconds`; that slows it down: its CPU time must not be taken meanwhile."""
    if shutil.which("strace") is None:
        raise NotMeasurable("needs strace")
    output = folder / "strace"
    command = ["timeout", "--signal=INT", str(seconds)]
    command += ["strace", "-f", "-y", "-s", "0", "-o", str(output), "-p", str(pid)]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    if not output.exists() or output.stat().st_size == 0:
        raise NotMeasurable("strace may not trace here")
    with output.open(errors="replace") as lines:
        return parse(lines, seconds)


def parse(lines: Iterable[str], seconds: float) -> Seen:
    """Counts system calls, and those on files below a folder named slurm_…, from strace's output."""
    seen = Seen(seconds)
    for line in lines:
        call = _CALL.match(line)
        if call is None:
            continue
        name = call["name"]
        seen.calls[name] += 1
        where = (_OPENED_PATH.search(line) if name in OPENS else None) or _DESCRIPTOR_PATH.match(call["rest"])
        if where is None or not _is_counter(where["path"]):
            continue
        seen.on_counters[name] += 1
        if name in READS:
            seen.reads[Path(where["path"])] += 1
    return seen


def _is_counter(path: str) -> bool:
    """A file of numbers in a job's cgroup: below Slurm's folder, with a dot in its name (folders have none).

    Which processes are in it is no counter: the walk that looks for a step's programs reads that, ever more seldom.
    """
    name = path.rpartition("/")[2]
    return "/slurm_" in path and "." in name and name != "cgroup.procs"
