"""Memory errors since the driver came: `/sys/devices/system/edac/mc/mc*/{ce,ue}_count` (kernel: driver-api/edac)."""

from collections.abc import Iterator

from slurmlens.node.collectors.look import MachineLook, Sample

FOLDER = "sys/devices/system/edac/mc"


def read(look: MachineLook) -> Iterator[Sample]:
    """See `look`."""
    for controller in look.files.names(FOLDER):
        if not controller.startswith("mc"):
            continue
        for file, figure in (("ce_count", "corrected_count"), ("ue_count", "uncorrected_count")):
            count = look.files.number(f"{FOLDER}/{controller}/{file}")
            if count is not None:
                yield Sample(figure, controller, count)
