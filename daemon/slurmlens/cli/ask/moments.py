"""Moments as people type them at `--at` and its like, to what the hub takes.

Owns the forms: `10:14` and `2026-11-23 10:14` in the reader's zone, the same with a zone, seconds since the epoch, and
`90m`, `2h`, `3d` for as long ago. Used by the commands that ask about another moment than now.
"""

from __future__ import annotations

import argparse
import datetime
import re

from slurmlens.runtime.local_zone import LocalZone

_AGO = re.compile(r"(\d{1,6})\s?([smhdw])(?: ago)?")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_TIME = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")
FORMS = "10:14, 2026-11-23T10:14, 2026-11-23T10:14:00Z, or as long ago: 90m, 2h, 3d"


def moment_argument(text: str) -> str:
    """A moment as the hub takes it, seconds since the epoch; ArgumentTypeError where it is none."""
    text = text.strip()
    if re.fullmatch(r"\d{9,12}", text):
        return text
    now = datetime.datetime.now(datetime.UTC)
    ago = _AGO.fullmatch(text)
    if ago:
        return str(int(now.timestamp()) - int(ago[1]) * _UNIT_S[ago[2]])
    if _TIME.fullmatch(text):
        text = f"{now.astimezone(LocalZone()).date().isoformat()}T{text.zfill(len(text) + text.index(':') % 2)}"
    try:
        told = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no moment; it looks like {FORMS}") from error
    if told.tzinfo is None:
        told = told.replace(tzinfo=LocalZone())
    return str(int(told.timestamp()))
