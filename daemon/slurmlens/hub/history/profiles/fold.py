"""Pieces of a course put together, in any order and any number at a time, with the same result.

All pieces are brought to the widest bins among them, and to wider ones until the whole has at most `MOST_BINS` bins;
then they are laid beside each other, and where two hold the same bin their means are joined by weight. A node's widths
are powers of two times its narrowest, so that bins nest; a piece whose bins do not is spread by their middles.

Fed with courses by `blob.fold` (one sighting's pieces) and by `read` (one node's sightings).
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from slurmlens.hub.history.profiles.course import MOST_BINS, Columns, Course, bounded, sliced, widened
from slurmlens.wire.packed_columns import GAP_HIGH, GAP_LOW, GAP_MEAN

_MOST_LAID = 16 * MOST_BINS


def fold_courses(pieces: Sequence[Course]) -> Course:
    """One course from the pieces of one sighting, of which there is one at least; the latest tail stays apart."""
    settled_pieces, tail, whole_from_ns = _told_apart(pieces)
    told_ns = max(piece.told_ns for piece in pieces)
    return replace(put_together(settled_pieces), tail=tail, told_ns=told_ns, whole_from_ns=whole_from_ns)


def shown_course(pieces: Sequence[Course]) -> Course:
    """The same with the tail in it: what is shown of a sighting, to which nothing will be folded any more."""
    settled_pieces, tail, _ = _told_apart(pieces)
    return put_together([*settled_pieces, tail] if tail else settled_pieces)


def settled(course: Course) -> Course:
    """A course with its tail in it."""
    return shown_course([course])


def _told_apart(pieces: Sequence[Course]) -> tuple[list[Course], Course | None, int | None]:
    """What is final of the pieces of one sighting, the tail that counts, and from when on a summary holds all."""
    whole = max((piece for piece in pieces if piece.whole_from_ns is not None), key=_told, default=None)
    whole_from_ns = whole.whole_from_ns if whole else None
    if whole_from_ns is not None:
        pieces = [_before(piece, whole_from_ns) for piece in pieces]
    with_tail = [piece for piece in pieces if piece.tail is not None]
    tail = max(with_tail, key=_told).tail if with_tail else None
    return [replace(piece, tail=None) if piece.tail else piece for piece in pieces], tail, whole_from_ns


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
        times = min((piece.width_ns for piece in rest), default=width_ns) // narrowest_ns
        # laid beside each other they are widened in one go, unless years lie between them
        together = [_laid(narrow)] if _span(narrow) <= _MOST_LAID else narrow
        rest += [widened(piece, times) for piece in together]
    return _laid([*rest, *apart])


def _nests(piece: Course, width_ns: int) -> bool:
    times = width_ns // piece.width_ns
    return width_ns % piece.width_ns == 0 and times & (times - 1) == 0


def _span(pieces: Sequence[Course]) -> int:
    return (max(piece.end_ns for piece in pieces) - min(piece.start_ns for piece in pieces)) // pieces[0].width_ns


def _laid(pieces: Sequence[Course]) -> Course:
    """Pieces of one width as one course over all their bins; a part that one of them lacks is left away."""
    if len(pieces) == 1:
        return pieces[0]
    ordered = sorted(pieces, key=lambda piece: piece.start_ns)
    first_ns, width_ns = ordered[0].start_ns, ordered[0].width_ns
    begins = [(piece.start_ns - first_ns) // width_ns for piece in ordered]
    made = replace(ordered[0], count=_span(ordered), low={}, mean={}, high={}, weight={})
    ends = accumulate((begin + piece.count for begin, piece in zip(begins, ordered, strict=True)), max)
    overlap = any(begin < end for begin, end in zip(begins[1:], ends, strict=False))
    is_plain = not overlap and not any(piece.weight for piece in pieces)
    parts: list[tuple[Columns, float, list[Columns]]] = [(made.mean, GAP_MEAN, [piece.mean for piece in ordered])]
    if all(piece.high for piece in ordered):
        parts.append((made.high, GAP_HIGH, [piece.high for piece in ordered]))
    if all(piece.low for piece in ordered):
        parts.append((made.low, GAP_LOW, [piece.low for piece in ordered]))
    if not is_plain:
        parts.append((made.weight, 0.0, [_all_weights(piece) for piece in ordered]))
    for name in dict.fromkeys(name for piece in ordered for name in piece.mean):
        if overlap:
            _join_column(made, name, ordered, begins)
            continue
        for into, gap, columns in parts:
            if any(name in column for column in columns):
                into[name] = _row(name, columns, begins, gap, made.count)
    return made


def _row(name: str, columns: Sequence[Columns], begins: Sequence[int], gap: float, count: int) -> array[float]:
    """One part of a metric, piece after piece, with gaps between."""
    values = array("f")
    gaps = array("f", [gap])
    for begin, column in zip(begins, columns, strict=True):
        own = column.get(name)
        if own is not None:
            missing = begin - len(values)
            if missing:
                values += gaps * missing
            values += own
    missing = count - len(values)
    return values + gaps * missing if missing else values


def _all_weights(piece: Course) -> Columns:
    return piece.weight or {name: piece.weights(name) for name in piece.mean}


def _told(piece: Course) -> tuple[int, int, int]:
    """When a piece was made; what was made at the same moment is put in one order, whatever it came in."""
    tail = piece.tail
    return piece.told_ns, tail.start_ns if tail else 0, tail.width_ns if tail else 0


def _before(piece: Course, until_ns: int) -> Course:
    """What a piece holds of the time before `until_ns`; a summary's own course keeps all."""
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
        _put_gaps(made, name, piece)
        for index, place in enumerate(places):
            _join_bin(made, name, place, piece, index, piece.weights(name)[index])
    return made


def _put_gaps(course: Course, name: str, like: Course) -> None:
    """A metric without a measurement, in the parts that the other course has."""
    course.mean[name] = array("f", [GAP_MEAN]) * course.count
    course.weight[name] = array("f", [0.0]) * course.count
    if name in like.low:
        course.low[name] = array("f", [GAP_LOW]) * course.count
    if name in like.high:
        course.high[name] = array("f", [GAP_HIGH]) * course.count


def _join_column(made: Course, name: str, pieces: Sequence[Course], begins: Sequence[int]) -> None:
    """One metric of pieces of which some hold the same bins."""
    there = [(begin, piece) for begin, piece in zip(begins, pieces, strict=True) if name in piece.mean]
    like = min((piece for _, piece in there), key=lambda piece: (name in piece.low) + (name in piece.high))
    _put_gaps(made, name, like)
    for begin, piece in sorted(there, key=lambda pair: -pair[1].count):
        end, own = begin + piece.count, piece.weights(name)
        if any(made.weight[name][begin:end]):
            for index, weight in enumerate(own):
                _join_bin(made, name, begin + index, piece, index, weight)
            continue
        made.mean[name][begin:end] = piece.mean[name]
        made.weight[name][begin:end] = own
        if name in made.low:
            made.low[name][begin:end] = piece.low[name]
        if name in made.high:
            made.high[name][begin:end] = piece.high[name]


def _join_bin(made: Course, name: str, place: int, piece: Course, index: int, weight: float) -> None:
    """One bin more at a place: the lowest, the highest, and the mean of both by weight."""
    if not weight:
        return
    means, weights = made.mean[name], made.weight[name]
    had, mean = weights[place], piece.mean[name][index]
    means[place] = (means[place] * had + mean * weight) / (had + weight) if had else mean
    weights[place] = had + weight
    if name in made.low:
        made.low[name][place] = min(made.low[name][place], piece.low[name][index])
    if name in made.high:
        made.high[name][place] = max(made.high[name][place], piece.high[name][index])
