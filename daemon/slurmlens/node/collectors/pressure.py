"""Pressure of the whole node: `/proc/pressure/*` (kernel: accounting/psi).

Interrupts know no `some`, a CPU's `full` is always 0 for a whole machine. Kernels since 4.20 that were not started with
`psi=0` tell it.
"""

from collections.abc import Iterator

from slurmlens.node.collectors.look import MachineLook, Sample

_WANTED = {("cpu", "some"), ("memory", "some"), ("memory", "full"), ("io", "some"), ("io", "full"), ("irq", "full")}


def read(look: MachineLook) -> Iterator[Sample]:
    """See `look`."""
    for resource in ("cpu", "memory", "io", "irq"):
        for line in (look.files.text(f"proc/pressure/{resource}") or "").splitlines():
            share, _, rest = line.partition(" ")
            if (resource, share) in _WANTED:
                yield Sample(f"{resource}_{share}_ratio", "", int(rest.rpartition("total=")[2]))
