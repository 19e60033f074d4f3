"""Disks: bytes, operations, latency, how busy, how long the queue: `/proc/diskstats` (kernel: admin-guide/iostats).

Whole devices that something was ever read from or written to; partitions, loop, RAM and optical devices are left out.
Latency is the time of what ended since the last round by its number: the queue is in it.
"""

from collections.abc import Iterator

from slurmlens.node.collectors.look import MachineLook, Sample

FOLDER = "sys/block"
_LEFT_OUT = ("loop", "ram", "zram", "sr", "fd", "nbd")
_FIELDS = 11


def read(look: MachineLook) -> Iterator[Sample]:
    """See `look`."""
    whole = frozenset(look.files.names(FOLDER))
    for line in (look.files.text("proc/diskstats") or "").splitlines():
        words = line.split()
        if len(words) < 3 + _FIELDS:
            raise ValueError(f"{len(words)} fields in /proc/diskstats")
        name = words[2]
        if name.startswith(_LEFT_OUT) or (whole and name.replace("/", "!") not in whole):
            continue
        numbers = [int(word) for word in words[3 : 3 + _FIELDS]]
        if numbers[0] or numbers[4]:
            yield from _of_device(look, name, numbers)


def _of_device(look: MachineLook, name: str, numbers: list[int]) -> Iterator[Sample]:
    reads, _, read_sectors, read_ms, writes, _, written_sectors, write_ms, _, busy_ms, queue_ms = numbers
    yield Sample("read_bytes_per_second", name, read_sectors)
    yield Sample("written_bytes_per_second", name, written_sectors)
    yield Sample("reads_per_second", name, reads)
    yield Sample("writes_per_second", name, writes)
    yield Sample("busy_ratio", name, busy_ms)
    yield Sample("queue_count", name, queue_ms)
    for what, ended, took_ms in (("read", reads, read_ms), ("write", writes, write_ms)):
        ended_now = look.grown(f"{name} {what}", ended)
        took_now_ms = look.grown(f"{name} {what} time", took_ms)
        if ended_now and took_now_ms is not None:
            yield Sample(f"{what}_latency_seconds", name, took_now_ms / ended_now / 1000)
