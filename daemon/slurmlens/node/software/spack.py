"""What Spack installed, from the index of its database.

`<root>/.spack-db/index.json` has `database.installs`, by hash: `spec` with `name` and `version`, and `installed`. The
rest of a spec changed with Spack's releases and is not read. Reading needs no lock: a file that is being replaced
is read as the old or the new one, and one that is half written is tried again at the next check. The place is the root
and the first seven signs of the hash, as `spack find -l` shows it. Read in the probe's process.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from slurmlens.node.software.found import Installed, SoftwareLook, SourceProblem

INDEX = Path(".spack-db") / "index.json"
MOST_BYTES = 256 * 1024 * 1024


def watched(look: SoftwareLook) -> Iterator[Path]:
    """The index of each root."""
    for root in look.places():
        yield root / INDEX


def read(look: SoftwareLook) -> Iterator[Installed]:
    """Every installed spec of every root."""
    for root in look.places():
        path = root / INDEX
        if not path.exists():
            continue
        if path.stat().st_size > MOST_BYTES:
            raise SourceProblem(f"{look.shown(path)} has more than {MOST_BYTES} bytes")
        try:
            installs = json.loads(path.read_bytes())["database"]["installs"]
            yield from [
                Installed(one["spec"]["name"], str(one["spec"].get("version", "")), f"{look.shown(root)} {digest[:7]}")
                for digest, one in installs.items()
                if one.get("installed", True)
            ]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SourceProblem(f"{look.shown(path)} is no index of Spack's database: {error!r}"[:300]) from error
