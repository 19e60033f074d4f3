"""Memory and swap: `/proc/meminfo` (proc_meminfo(5)); what a kernel does not tell makes no figure."""

from collections.abc import Iterator

from slurmlens.node.collectors.look import MachineLook, Sample

_NAMES = {
    "MemTotal": "total_bytes",
    "MemAvailable": "available_bytes",
    "MemFree": "free_bytes",
    "Cached": "cached_bytes",
    "AnonPages": "anonymous_bytes",
    "Shmem": "shared_bytes",
    "SUnreclaim": "slab_unreclaimable_bytes",
    "Dirty": "dirty_bytes",
    "Writeback": "writeback_bytes",
    "Committed_AS": "committed_bytes",
    "HugePages_Total": "huge_pages_count",
    "HugePages_Free": "huge_pages_free_count",
    "SwapTotal": "swap_total_bytes",
}


def read(look: MachineLook) -> Iterator[Sample]:
    """See `look`."""
    swap_total = 0
    for line in (look.files.text("proc/meminfo") or "").splitlines():
        key, _, rest = line.partition(":")
        if key in _NAMES:
            yield Sample(_NAMES[key], "", int(rest.split()[0]))
        if key == "SwapTotal":
            swap_total = int(rest.split()[0])
        elif key == "SwapFree":
            yield Sample("swap_used_bytes", "", swap_total - int(rest.split()[0]))
