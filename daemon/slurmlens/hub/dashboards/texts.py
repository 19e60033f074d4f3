"""Texts that users chose, as Grafana may have them: pure. Owns the escaping and a cluster's tag."""

from __future__ import annotations

import re

from slurmlens.shown.text import clip, visible
from slurmlens.wire.carbon import component

MOST_TAG_CHARS = 50
MOST_CELL_COLUMNS = 60
_MEANINGFUL = re.compile(r"[^\w ]|_", re.ASCII)


def escaped(text: str) -> str:
    """A user's text for Markdown or HTML: letters, digits and blanks as they are, all else as entities.

    >>> escaped("$x|<b>")
    '&#36;x&#124;&#60;b&#62;'
    """
    return _MEANINGFUL.sub(lambda found: f"&#{ord(found[0])};", clip(visible(text), MOST_CELL_COLUMNS))


def cluster_tag(cluster: str) -> str:
    """The tag that a cluster's boards and annotations have in common."""
    return component(cluster)[:MOST_TAG_CHARS]
