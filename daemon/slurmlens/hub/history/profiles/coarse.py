"""A course as it is kept for years: at most `COARSE_BINS` bins, one byte a value on a scale a metric.

Weights are not kept. Made by retention out of `blob`s; `blob.unpack` reads both kinds, `parts` says how a value is
written.
"""

from __future__ import annotations

from slurmlens.hub.history.profiles import blob
from slurmlens.hub.history.profiles.course import halved
from slurmlens.hub.history.profiles.fold import settled
from slurmlens.hub.history.profiles.parts import BlobKind, coarse_part

COARSE_BINS = 120


def coarsen(data: bytes) -> bytes:
    """The coarse blob of a course that nothing will be added to; one that is coarse already stays as it is."""
    if blob.kind_of(data) is BlobKind.COARSE:
        return data
    course = settled(blob.unpack(data))
    while course.count > COARSE_BINS:
        course = halved(course)
    course.weight = {}
    scales = [max((value for value in course.high[name] if value >= 0), default=0.0) for name in course.names]
    parts = [coarse_part(part, scales) for part in (course.mean, course.high, course.low)]
    return blob.write(course, BlobKind.COARSE, [*parts, b""])
