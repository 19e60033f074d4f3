"""Runs the bare C pread loop (`programs/reference_loop.c`), as a process or inside this one.

The list of files is never ours to choose: it is what the daemon was seen reading (`file_schedule`), so both read
the same.
"""

from __future__ import annotations

import ctypes
import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.programs import program, shared_object

Schedule = Mapping[Path, int]
"""File to read, and at every which tick."""


@dataclass(frozen=True, slots=True)
class LoopRun:
    """What one run of the loop cost: CPU microseconds for `reads` reads in `ticks` ticks; `failed` must be 0."""

    ticks: int
    reads: int
    failed: int
    cpu_us: int


def run_loop(schedule: Schedule, folder: Path, interval_s: float, ticks: int) -> LoopRun:
    """Runs the loop at `interval_s` (0: without pause) for `ticks` ticks; `folder` holds its list of files."""
    file_list = folder / "reference_files"
    file_list.write_text("".join(f"{every} {path}\n" for path, every in schedule.items()))
    command = [str(program("reference_loop")), str(file_list), str(round(interval_s * 1000)), str(ticks)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return LoopRun(**json.loads(done.stdout))


def reference_pass(descriptors: Sequence[int]) -> Callable[[], int]:
    """The loop's one pass over open descriptors, to be called in this process; it returns how many reads failed."""
    library = ctypes.CDLL(str(shared_object("reference_loop")))
    library.reference_pass.restype = ctypes.c_long
    numbers = (ctypes.c_int * len(descriptors))(*descriptors)
    count = ctypes.c_long(len(numbers))

    def read_all() -> int:
        return int(library.reference_pass(numbers, count))

    return read_all
