"""The reader's terminal: how wide, whether it takes colour, which zone its clock shows, and a pipe that closes early.

Owns nothing; asks the machine once. Feeds `shown.terminal.Sheet`, which asks for nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping

from slurmlens.runtime.local_zone import LocalZone
from slurmlens.shown.terminal import NARROW, Ink, Sheet

WIDE_COLUMNS = 120
_NOT_ASCII = re.compile(r"[^\x0a\x20-\x7e]+")


def sheet_for(*, wide: bool, url: str | None = None, environment: Mapping[str, str] = os.environ) -> Sheet:
    """80 columns; all of the terminal's, at least 120 off a terminal, with `wide`."""
    columns = NARROW
    if wide:
        columns = max(NARROW, shutil.get_terminal_size((WIDE_COLUMNS, 24)).columns)
    colour = sys.stdout.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
    return Sheet(zone=LocalZone(), columns=columns, ink=Ink(colour), url=url, full=wide)


def show_json(body: bytes) -> None:
    """Writes JSON as it came; to a terminal in ASCII, for in a terminal a control or direction character acts."""
    text = body.decode("utf-8", "replace")
    show(_NOT_ASCII.sub(_escaped, text) if sys.stdout.isatty() else text)


def _escaped(match: re.Match[str]) -> str:
    return "".join(f"\\u{unit:04x}" for unit in _utf16_units(match.group()))


def _utf16_units(text: str) -> Iterator[int]:
    """JSON's escapes are of UTF-16, so a character beyond the first plane is two."""
    packed = text.encode("utf-16-be", "surrogatepass")
    return (packed[at] << 8 | packed[at + 1] for at in range(0, len(packed), 2))


def show(text: str) -> None:
    """Writes to standard output; a reader that leaves early (`| head`) is no error."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
