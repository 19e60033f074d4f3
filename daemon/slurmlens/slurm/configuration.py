"""slurm.conf as keys and values: what `slurmlens doctor` looks at. Pure.

Keys in Slurm are not case sensitive, a value ends at a comment, a line that ends in a backslash goes on in the next,
and of a key that stands twice the last one holds. Node and partition lines are left out, and so are included files.
Format: slurm.conf(5).
"""

from __future__ import annotations

from collections.abc import Mapping

_LISTS = frozenset({"nodename", "partitionname", "nodeset", "downnodes", "include"})


def read_settings(text: str) -> Mapping[str, str]:
    """Value by key in lower case."""
    settings: dict[str, str] = {}
    for line in text.replace("\\\n", " ").splitlines():
        key, equals, value = line.partition("#")[0].partition("=")
        name = key.strip().lower()
        if equals and name and " " not in name and name not in _LISTS:
            settings[name] = value.strip()
    return settings
