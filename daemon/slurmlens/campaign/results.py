"""Reads what a run left: its exit record, the figures it was run for, and the course of the objective while it runs.

Owns the bounds: a file is read up to a size and no further, what does not fit is a Missing with its reason and never an
exception that takes the campaign down. Called by `watch`.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from slurmlens.campaign.job_script import EXIT_RECORD
from slurmlens.campaign.settings import Extractor, RunningFigure

MOST_BYTES = 64 * 1024 * 1024
COURSE_MOST = 100_000
_CHUNK_BYTES = 1024 * 1024


class ExitRecord(NamedTuple):
    """What the batch script wrote when the user's script had ended."""

    key: str
    job_id: int
    code: int
    began_s: float
    ended_s: float


class Missing(Exception):
    """A figure cannot be had; `late`: it may still come (a file that is not there yet)."""

    def __init__(self, reason: str, *, late: bool = False) -> None:
        super().__init__(reason)
        self.late = late


def read_exit_record(folder: Path) -> ExitRecord | None:
    """The run's exit record; None where there is none, or none that is whole."""
    try:
        os.listdir(folder)  # network file systems show new files only after the folder was read
        key, job_id, code, began_s, ended_s = (folder / EXIT_RECORD).read_text()[:1000].split()
        return ExitRecord(key, int(job_id), int(code), float(began_s), float(ended_s))
    except (OSError, ValueError):
        return None


def extract(extractors: tuple[Extractor, ...], folder: Path, figures: Callable[[str], float]) -> Mapping[str, float]:
    """All figures of a run; Missing with the first one's reason. `figures` asks the hub for one of its own."""
    return {one.name: _finite(one.name, _value(one, folder, figures)) for one in extractors}


def _value(one: Extractor, folder: Path, figures: Callable[[str], float]) -> Any:
    if one.figure is not None:
        return figures(one.figure)
    assert one.file is not None
    data = _bounded(folder / one.file, one.file, tail=one.take_last and one.match is not None)
    if one.pointer is not None:
        return _pointed(data, one.pointer, one.file)
    assert one.match is not None
    return _matched(data.decode(errors="replace"), one.match, one.file, last=one.take_last)


def _finite(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise Missing(f"{name}: {str(value)[:40]!r} is no number") from error
    if not math.isfinite(number) or isinstance(value, bool):
        raise Missing(f"{name} is {value}")
    return number


def _bounded(path: Path, name: str, *, tail: bool) -> bytes:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > MOST_BYTES and not tail:
                raise Missing(f"{name} has {size} bytes; at most {MOST_BYTES} are read: let the job write a summary")
            if size > MOST_BYTES:
                file.seek(-MOST_BYTES, os.SEEK_END)
            return file.read(MOST_BYTES)
    except FileNotFoundError as error:
        raise Missing(f"{name} was not written", late=True) from error
    except OSError as error:
        raise Missing(f"{name} cannot be read: {error.strerror}") from error


def _pointed(data: bytes, pointer: str, name: str) -> Any:
    """RFC 6901: /a/0/b."""
    try:
        value: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Missing(f"{name} is no JSON: {error}") from error
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        try:
            value = value[int(key)] if isinstance(value, list) else value[key]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise Missing(f"{name} has nothing at {pointer}") from error
    return value


def _matched(text: str, pattern: str, name: str, *, last: bool) -> str:
    found = [match[1] for match in re.finditer(pattern, text, re.MULTILINE)]
    if not found:
        raise Missing(f"{name} holds no line that matches {pattern!r}")
    if len(found) > 1 and not last:
        raise Missing(f'{name} holds {len(found)} values for {pattern!r}: write take = "last", or a narrower pattern')
    return found[-1]


class CourseReader:
    """Follows a file that grows, reading only what is new; whole lines only."""

    def __init__(self, running: RunningFigure, sign: float) -> None:
        self._file = running.file
        self._pattern = re.compile(running.match.encode())
        self._sign = sign
        self._offset = 0
        self.values: list[float] = []

    def read(self, folder: Path) -> list[float]:
        """The course so far, smaller is better; what is no number is left out."""
        try:
            with (folder / self._file).open("rb") as file:
                file.seek(self._offset)
                data = file.read(_CHUNK_BYTES)
        except OSError:
            return self.values
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            self._take(line)
        return self.values

    def _take(self, line: bytes) -> None:
        match = self._pattern.search(line)
        if match is None or len(self.values) >= COURSE_MOST:
            return
        try:
            value = float(match[1])
        except ValueError:
            return
        if math.isfinite(value):
            self.values.append(self._sign * value)
