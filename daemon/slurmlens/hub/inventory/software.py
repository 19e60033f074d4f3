"""Sets of packages: what all of one source of one node's software is called, and how a set is packed. Pure.

Owns the names of the facts that say which set a node has, and the form in which a set lies in the database. A set is
known by its digest, which the hub makes itself: equal sets have one, whoever told them. Used by `software_keeping` and
`read.software_sets`; the questions about packages are in `questions.software`.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from slurmlens.events import SOFTWARE_SOURCES, Package

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[Package, ...])


class PackedSet(NamedTuple):
    """A set as it is kept."""

    digest: str
    package_count: int
    packages: bytes


def set_attribute(source: str) -> str:
    """The fact of a node whose value is the digest of the set that it has of a source."""
    return f"{source}_packages"


def problem_attribute(source: str) -> str:
    """The fact of a node that says why its software of a source is not known."""
    return f"{source}_problem"


SET_ATTRIBUTES = {set_attribute(source): source for source in SOFTWARE_SOURCES}
PROBLEM_ATTRIBUTES = {problem_attribute(source): source for source in SOFTWARE_SOURCES}


def packed_set(packages: Iterable[Package]) -> PackedSet:
    """The set of these packages, in whatever order they come."""
    ordered = sorted(set(packages))
    body = _encoder.encode(ordered)
    return PackedSet(hashlib.blake2b(body, digest_size=16).hexdigest(), len(ordered), zlib.compress(body, 6))


def unpacked_set(packages: bytes) -> tuple[Package, ...]:
    """The packages of a set as it is kept, in order."""
    return _decoder.decode(zlib.decompress(packages))
