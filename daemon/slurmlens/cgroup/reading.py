"""What the reader read: the counters of many cgroups at one time, and one cgroup's as a value.

Owns `Reading` and the layout of a record as Python sees it (`cext/slurmlens_cgroup.h`: the fields' values, the mask
of those that were read, the error). Pure; filled by `reader`, read by `node.sampler`.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping

import msgspec

from slurmlens.metrics import FIELD_INDEX, FIELDS

HAVE_WORD = len(FIELDS)
ERROR_WORD = HAVE_WORD + 1
RECORD_WORDS = HAVE_WORD + 2
"""A record is this many 64-bit words: one per field, the mask, and error (with the number of failed files beside it).
"""

GONE_ERRORS = frozenset({errno.ENODEV, errno.ENOENT})

_REASONS = {errno.EBADMSG: "malformed", errno.EFBIG: "too-long", errno.EACCES: "forbidden", errno.EPERM: "forbidden"}


def field_mask(names: Iterable[str]) -> int:
    """The fields as a mask, in the order of `metrics.FIELDS`."""
    mask = 0
    for name in names:
        mask |= 1 << FIELD_INDEX[name]
    return mask


def field_names(mask: int) -> frozenset[str]:
    """The fields of a mask."""
    return frozenset(name for name, index in FIELD_INDEX.items() if mask >> index & 1)


class Reading(msgspec.Struct, frozen=True):
    """The counters of one cgroup at one time: raw, in the units that `metrics.FIELDS` names.

    A field that is not in it is unavailable (or not of the tiers asked for). `error` is 0, or the errno of what could
    not be read: the whole cgroup (`gone`), or `failed_files` files of it.
    """

    values: tuple[int, ...]
    have: int
    error: int = 0
    failed_files: int = 0

    def get(self, name: str) -> int | None:
        """The field's value, None where it is unavailable."""
        index = FIELD_INDEX[name]
        return self.values[index] if self.have >> index & 1 else None

    def as_dict(self) -> dict[str, int]:
        """All fields that were read."""
        return {name: self.values[index] for name, index in FIELD_INDEX.items() if self.have >> index & 1}

    @property
    def gone(self) -> bool:
        """The cgroup is no more (or was not there yet when it was opened)."""
        return self.error in GONE_ERRORS

    @property
    def reason(self) -> str | None:
        """A short label of the error from a bounded set, fit for a counter; None without an error."""
        if self.error == 0:
            return None
        return "gone" if self.gone else _REASONS.get(self.error, "unreadable")


def reading_of(fields: Mapping[str, int], error: int = 0, failed_files: int = 0) -> Reading:
    """A reading of the fields given by name."""
    values = [0] * len(FIELDS)
    for name, value in fields.items():
        values[FIELD_INDEX[name]] = value
    return Reading(tuple(values), field_mask(fields), error, failed_files)
