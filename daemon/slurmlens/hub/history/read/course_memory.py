"""Courses as they were last put together, for whoever looks at the same job again.

Owns what is kept of them: at most `MOST_BYTES` of values, those that were asked for last. A wide job that is watched is
read every few seconds, and meanwhile few of its nodes have told more: a sighting whose blobs are the ones of before
(by their heads, in which their checksums stand) has the course of before, and what was reckoned of it. A course that
was handed out is never changed. Used by `profiles`, from any of the hub's reading threads.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from slurmlens.errors import DecodeError
from slurmlens.hub.history.profiles.blob import DRAWN, head_bytes, unpack
from slurmlens.hub.history.profiles.course import Course
from slurmlens.hub.history.profiles.fold import shown_course

MOST_BYTES = 64 * 1024 * 1024
"""Some two thousand nodes' courses of a day."""


class _Kept(NamedTuple):
    heads: tuple[bytes, ...]
    course: Course
    size_bytes: int


class CourseMemory:
    """One hub's."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[int, _Kept] = OrderedDict()
        self._size_bytes = 0
        self._lock = threading.Lock()

    def course(self, sighting: int, blobs: Sequence[bytes]) -> Course | None:
        """The course that these blobs of a sighting make, with what is drawn of it; None where all are damaged."""
        heads = tuple(map(head_bytes, blobs))
        with self._lock:
            kept = self._kept.get(sighting)
            if kept is not None and kept.heads == heads:
                self._kept.move_to_end(sighting)
                return kept.course
        pieces = unpacked(blobs)
        if not pieces:
            return None
        course = shown_course(pieces)
        self._keep(sighting, _Kept(heads, course, _size_bytes(course)))
        return course

    def _keep(self, sighting: int, kept: _Kept) -> None:
        with self._lock:
            former = self._kept.pop(sighting, None)
            self._kept[sighting] = kept
            self._size_bytes += kept.size_bytes - (former.size_bytes if former else 0)
            while self._size_bytes > self._most_bytes:
                self._size_bytes -= self._kept.popitem(last=False)[1].size_bytes


def unpacked(blobs: Sequence[bytes]) -> list[Course]:
    """What is drawn of these; a damaged one is left out, for the rest of the job is there."""
    pieces = []
    for blob in blobs:
        try:
            pieces.append(unpack(blob, DRAWN))
        except DecodeError:
            continue
    return pieces


def _size_bytes(course: Course) -> int:
    parts = (course.low, course.mean, course.high, course.weight)
    return sum(values.itemsize * len(values) for part in parts for values in part.values())
