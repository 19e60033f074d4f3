"""Pieces of a course put together, in any order and any number at a time, with the same result.

All pieces are brought to the widest bins among them, and to wider ones until the whole has at most `MOST_BINS` bins;
then they are laid beside each other, and where two tell the same bin their means are joined by weight. A node's widths
are powers of two times its narrowest, so that bins nest; a piece whose bins do not is spread by their middles.

Fed with courses by `blob.fold` (one sighting's pieces) and by `read` (one node's sightings).
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace

from slurmlens.hub.history.profiles.course import (
    GAP_HIGH,
    GAP_LOW,
    GAP_MEAN,
    MOST_BINS,
    Course,
    bounded,
    halved,
    sliced,
)

_MOST_LAID = 16 * MOST_BINS


def fold_courses(pieces: Sequence[Course]) -> Course:
    """One course from the pieces of one sighting, of which there is one at least; the latest tail stays apart."""
    whole = max((piece for piece in pieces if piece.whole_from_ns is not None), key=_told, default=None)
    if whole is not None and whole.whole_from_ns is not None:
        pieces = [_before(piece, whole.whole_from_ns) for piece in pieces]
    last = max(pieces, key=_told)
    tails = [piece for piece in pieces if piece.tail is not None]
    course = put_together([replace(piece, tail=None) for piece in pieces])
    return replace(
        course,
        tail=max(tails, key=_told).tail if tails else None,
        told_ns=last.told_ns,
        whole_from_ns=whole.whole_from_ns if whole else None,
    )


def settled(course: Course) -> Course:
    """The course with its tail in it: what is shown of a job that runs."""
    if course.tail is None:
        return course
    return put_together([replace(course, tail=None), course.tail])


def put_together(pieces: Sequence[Course]) -> Course:
    """One course over all bins of the pieces, whichever sighting they are of; tails must be settled before."""
    there = [piece for piece in pieces if piece.count] or list(pieces[:1])
    if len(there) == 1:
        return bounded(there[0])
    width_ns = _width_ns(there)
    apart = [_spread(piece, width_ns) for piece in there if not _nests(piece, width_ns)]
    rest = [piece for piece in there if _nests(piece, width_ns)]
    while any(piece.width_ns < width_ns for piece in rest):
        narrowest_ns = min(piece.width_ns for piece in rest)
        narrow = [piece for piece in rest if piece.width_ns == narrowest_ns]
        rest = [piece for piece in rest if piece.width_ns > narrowest_ns]
        # laid beside each other they are halved in one go, unless years lie between them
        rest += [halved(_laid(narrow))] if _span(narrow) <= _MOST_LAID else [halved(piece) for piece in narrow]
    return _laid([*rest, *apart])


def _nests(piece: Course, width_ns: int) -> bool:
    times = width_ns // piece.width_ns
    return width_ns % piece.width_ns == 0 and times & (times - 1) == 0


def _span(pieces: Sequence[Course]) -> int:
    return (max(piece.end_ns for piece in pieces) - min(piece.start_ns for piece in pieces)) // pieces[0].width_ns


def _laid(pieces: Sequence[Course]) -> Course:
    """Pieces of one width as one course over all their bins."""
    if len(pieces) == 1:
        return pieces[0]
    first_ns = min(piece.start_ns for piece in pieces)
    made = replace(pieces[0], start_ns=first_ns, count=_span(pieces), low={}, mean={}, high={}, weight={})
    # the longest first: it is laid into free bins, which costs a copy
    ordered = sorted(pieces, key=lambda piece: -piece.count)
    for name in dict.fromkeys(name for piece in pieces for name in piece.mean):
        _lay_column(made, name, [piece for piece in ordered if name in piece.mean])
    return made


def _told(piece: Course) -> tuple[int, int, int]:
    """When a piece was told; what was told at the same moment is put in one order, whatever it came in."""
    tail = piece.tail
    return piece.told_ns, tail.start_ns if tail else 0, tail.width_ns if tail else 0


def _before(piece: Course, until_ns: int) -> Course:
    """What a piece tells of the time before `until_ns`; a summary's own course keeps all."""
    if piece.whole_from_ns == until_ns:
        return piece
    tail = piece.tail if piece.tail is not None and piece.tail.start_ns < until_ns else None
    end = max(0, -(-(until_ns - piece.start_ns) // piece.width_ns))
    return replace(piece if end >= piece.count else sliced(piece, 0, end), tail=tail, whole_from_ns=None)


def _width_ns(pieces: Sequence[Course]) -> int:
    """The least width that is as wide as every piece's and takes all of them in at most `MOST_BINS` bins."""
    width_ns = max(piece.width_ns for piece in pieces)
    start_ns, end_ns = min(piece.start_ns for piece in pieces), max(piece.end_ns for piece in pieces)
    while -(-end_ns // width_ns) - start_ns // width_ns > MOST_BINS:
        width_ns *= 2
    return width_ns


def _spread(piece: Course, width_ns: int) -> Course:
    """On bins that the piece's own do not nest in: each goes where its middle lies."""
    first = (piece.start_ns + piece.width_ns // 2) // width_ns
    end = (piece.end_ns - piece.width_ns // 2) // width_ns + 1
    made = replace(piece, start_ns=first * width_ns, width_ns=width_ns, count=end - first)
    made.low, made.mean, made.high, made.weight = {}, {}, {}, {}
    places = [
        (piece.start_ns + index * piece.width_ns + piece.width_ns // 2) // width_ns - first
        for index in range(piece.count)
    ]
    for name in piece.mean:
        _put_gaps(made, name)
        bins = zip(places, piece.low[name], piece.mean[name], piece.high[name], piece.weights(name), strict=True)
        for place, low, mean, high, weight in bins:
            _join_bin(made, name, place, low, mean, high, weight)
    return made


def _put_gaps(course: Course, name: str) -> None:
    course.low[name] = array("f", [GAP_LOW]) * course.count
    course.mean[name] = array("f", [GAP_MEAN]) * course.count
    course.high[name] = array("f", [GAP_HIGH]) * course.count
    course.weight[name] = array("f", [0.0]) * course.count


def _lay_column(made: Course, name: str, pieces: Sequence[Course]) -> None:
    _put_gaps(made, name)
    weights = made.weight[name]
    for piece in pieces:
        first = (piece.start_ns - made.start_ns) // made.width_ns
        end = first + piece.count
        own = piece.weights(name)
        if not any(weights[first:end]):
            made.low[name][first:end] = piece.low[name]
            made.mean[name][first:end] = piece.mean[name]
            made.high[name][first:end] = piece.high[name]
            weights[first:end] = own
            continue
        bins = zip(range(first, end), piece.low[name], piece.mean[name], piece.high[name], own, strict=True)
        for place, low, mean, high, weight in bins:
            _join_bin(made, name, place, low, mean, high, weight)


def _join_bin(made: Course, name: str, place: int, low: float, mean: float, high: float, weight: float) -> None:
    """One bin more at a place: the lowest, the highest, and the mean of both by weight."""
    if not weight:
        return
    lows, means, highs, weights = made.low[name], made.mean[name], made.high[name], made.weight[name]
    had = weights[place]
    lows[place] = min(lows[place], low)
    highs[place] = max(highs[place], high)
    means[place] = (means[place] * had + mean * weight) / (had + weight) if had else mean
    weights[place] = had + weight
