"""Runs the bare C pread loop (`programs/reference_loop.c`), as a process or inside this one.

The list of files is never ours to choose: it is what the daemon was seen reading (`file_schedule`), so both read
the same.
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.programs import program, shared_object
from bench.result import NotMeasurable

Schedule = Mapping[Path, int]
"""File to read, and at every which tick."""


class ReferenceLoop:
    """The loop at an interval, from entering the context to leaving it, which raises NotMeasurable if a read failed.

    `folder` holds its list of files.
    """

    def __init__(self, schedule: Schedule, folder: Path, interval_s: float) -> None:
        self._file_list = folder / "reference_files"
        self._file_list.write_text("".join(f"{every} {path}\n" for path, every in schedule.items()))
        self._interval_ms = round(interval_s * 1000)
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        command = [str(program("reference_loop")), str(self._file_list), str(self._interval_ms)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        told, _ = self._process.communicate()
        if kind is None and (self._process.returncode or int(told)):
            raise NotMeasurable(f"the reference loop failed to read {told.strip() or 'its list'}")


def reference_pass(descriptors: Sequence[int]) -> Callable[[], int]:
    """The loop's one pass over open descriptors, to be called in this process; it returns how many reads failed."""
    library = ctypes.CDLL(str(shared_object("reference_loop")))
    library.reference_pass.restype = ctypes.c_long
    numbers = (ctypes.c_int * len(descriptors))(*descriptors)
    count = ctypes.c_long(len(numbers))

    def read_all() -> int:
        return int(library.reference_pass(numbers, count))

    return read_all
