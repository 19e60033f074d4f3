"""The journal's native protocol: one entry as the bytes of one datagram. Pure.

Owns the encoding alone: `NAME=value` and a newline, or, where the value holds a newline, the name, a newline, the
value's length as 64 bits little-endian, the value and a newline. A name is 1 to 64 of A-Z, 0-9 and `_`, not beginning
with `_`, which the journal keeps for itself. Source: systemd's "Native Journal Protocol". Fed by `telemetry.journal`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_LONGEST_NAME = 64
_NOT_IN_A_NAME = re.compile(r"[^A-Z0-9_]")


def field_name(name: str) -> str:
    """`name` as the journal takes it: capitals, anything odd an underscore, not beginning with one or with a digit."""
    plain = _NOT_IN_A_NAME.sub("_", name.upper()).lstrip("_0123456789")
    return plain[:_LONGEST_NAME] or "FIELD"


def encode(fields: Mapping[str, str]) -> bytes:
    """One entry; what is no UTF-8 (lone surrogates) is escaped."""
    return b"".join(_field(field_name(name), value) for name, value in fields.items())


def _field(name: str, value: str) -> bytes:
    told = value.encode("utf-8", "backslashreplace")
    if b"\n" not in told:
        return b"%s=%s\n" % (name.encode(), told)
    return b"%s\n%s%s\n" % (name.encode(), len(told).to_bytes(8, "little"), told)
