"""The node's own software: kernel, drivers, firmware, BIOS. These explain most differences between equal nodes.

Kernel: `/proc/sys/kernel/osrelease`; drivers: modules that tell a version (`/sys/module/*/version`); InfiniBand:
`/sys/class/infiniband/*/fw_ver`; BIOS: `/sys/class/dmi/id`. Read in the probe's process.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from slurmlens.node.software.found import Installed, SoftwareLook

KERNEL = "proc/sys/kernel/osrelease"
_MOST_BYTES = 256


def watched(look: SoftwareLook) -> Iterator[Path]:
    """What changes when a driver is loaded; a new kernel is a new boot, and a new daemon."""
    yield look.root / KERNEL
    yield look.root / "sys/module"


def read(look: SoftwareLook) -> Iterator[Installed]:
    """Everything that tells a version."""
    yield from _told(look, KERNEL, "kernel", "")
    for path in sorted((look.root / "sys/module").glob("*/version")):
        yield from _told(look, str(path.relative_to(look.root)), path.parent.name, "driver")
    for path in sorted((look.root / "sys/class/infiniband").glob("*/fw_ver")):
        yield from _told(look, str(path.relative_to(look.root)), path.parent.name, "firmware")
    for name in ("bios_version", "board_name", "product_name"):
        yield from _told(look, f"sys/class/dmi/id/{name}", name, "dmi")


def _told(look: SoftwareLook, path: str, name: str, place: str) -> Iterator[Installed]:
    try:
        with (look.root / path).open("rb") as file:
            version = file.read(_MOST_BYTES).decode("utf-8", "replace").strip()
    except OSError:
        return
    if version:
        yield Installed(name, version, place)
