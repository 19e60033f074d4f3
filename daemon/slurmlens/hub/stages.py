"""What a room of the hub keeps running. Made by the rooms' `opening`, run by `pipeline`."""

from __future__ import annotations

from typing import NamedTuple

from slurmlens.runtime.supervisor import Stage

NamedStages = tuple[tuple[str, Stage], ...]


class RoomStages(NamedTuple):
    """Loops by name: `led` run at one hub of several that share a database, `everywhere` at each of them."""

    led: NamedStages = ()
    everywhere: NamedStages = ()
