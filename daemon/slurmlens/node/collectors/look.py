"""What a collector is given, and what it tells: samples.

Owns the two types. A collector is a module with `read(look)`, which yields samples from `look.files`; it may remember
something until its next round in `look.kept`, and `look.grown` tells what a counter of its own grew by. It raises
ValueError or LookupError for a text that is not what the kernel documents: then it alone has failed.
Made by `collecting`; consumed by `rates`.
"""

from typing import Any, NamedTuple

from slurmlens.node.collectors.files import FileSystemSpace, KeptFiles


class Sample(NamedTuple):
    """A reading of one figure of `node_metrics.NODE_METRICS`: raw, as the kernel has it.

    `of` names the device, mount or port. A counter that begins again after `wraps_at` says so; 0: it never wraps.
    """

    name: str
    of: str
    value: float
    wraps_at: float = 0


class MachineLook:
    """One collector's eyes and memory."""

    __slots__ = ("files", "kept", "remote")

    def __init__(self, files: KeptFiles) -> None:
        self.files = files
        self.kept: dict[str, Any] = {}
        self.remote: dict[str, FileSystemSpace | None] = {}
        """What `slurmlens-probe` was told of file systems of the network, by mount point: None of one that hangs."""

    def grown(self, key: str, value: float) -> float | None:
        """What a counter grew by since the last round; None at the first, and where it fell."""
        before = self.kept.get(key)
        self.kept[key] = value
        return None if before is None or value < before else value - before
