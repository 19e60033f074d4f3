"""Paging, reclaim and OOM kills: `/proc/vmstat` (proc_vmstat(5)).

Kernels name stalls and scans per zone (`allocstall_normal`, `pgscan_direct_dma32` before 4.8): they are summed.
"""

from collections.abc import Iterator

from slurmlens.node.collectors.look import MachineLook, Sample

_EXACT = {
    "pgmajfault": "major_faults_per_second",
    "pswpin": "swapped_in_pages_per_second",
    "pswpout": "swapped_out_pages_per_second",
    "compact_stall": "compaction_stalls_per_second",
    "oom_kill": "oom_kills_count",
}
_SUMMED = {"pgsteal_direct": "direct_reclaim_pages_per_second", "allocstall": "allocation_stalls_per_second"}


def read(look: MachineLook) -> Iterator[Sample]:
    """See `look`."""
    sums: dict[str, int] = {}
    for line in (look.files.text("proc/vmstat") or "").splitlines():
        key, _, value = line.partition(" ")
        if key in _EXACT:
            yield Sample(_EXACT[key], "", int(value))
            continue
        for prefix, name in _SUMMED.items():
            if key.startswith(prefix) and not key.endswith("_throttle"):
                sums[name] = sums.get(name, 0) + int(value)
    for name, total in sums.items():
        yield Sample(name, "", total)
