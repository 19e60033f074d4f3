"""What the failures of a window have in common, as it is shown: the answer with words for it.

Owns the types; made by `build`, drawn by `terminal` and the web. The field names are the JSON's.
"""

from __future__ import annotations

import msgspec

from slurmlens.hub.inventory.common_cause import Cause


class CauseLine(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate: its case, the counts in one sentence, and what keeps it from being named, or has to be known."""

    cause: Cause
    sentence: str
    remarks: tuple[str, ...] = ()


class CommonCauseView(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for the window [from, to]: the first sentence, the window's runs, what was tried, best first."""

    cluster: str
    made_ns: int
    from_ns: int
    to_ns: int
    sentence: str
    failed: int
    succeeded: int
    tried: dict[str, int]
    causes: tuple[CauseLine, ...]
