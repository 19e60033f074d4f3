"""The Lustre client: what processes here read and wrote, metadata calls, calls to each target.

`llite/*/stats` and `osc/*/stats` (Lustre Operations Manual, "Lustre Parameters"). Releases moved them from procfs to
debugfs, which root alone may read: where they cannot be read, there is no figure. A client counts nothing by job: the
servers' `job_stats` do, and are not read. A line is `read_bytes 27 samples [bytes] 4096 1048576 9437184`:
number, unit, least, greatest, sum.
"""

from collections.abc import Iterator

from slurmlens.node.collectors.look import MachineLook, Sample

FOLDERS = ("proc/fs/lustre", "sys/kernel/debug/lustre")
_METADATA = frozenset(
    "getattr setattr create unlink link symlink mkdir rmdir mknod rename statfs readdir".split()  # noqa: SIM905
)


def read(look: MachineLook) -> Iterator[Sample]:
    """See `look`."""
    for folder in FOLDERS:
        for mount in look.files.names(f"{folder}/llite"):
            yield from _mount(mount, look.files.text(f"{folder}/llite/{mount}/stats") or "")
        for target in look.files.names(f"{folder}/osc"):
            yield from _target(look, target, look.files.text(f"{folder}/osc/{target}/stats") or "")


def _mount(mount: str, text: str) -> Iterator[Sample]:
    metadata = 0
    for key, count, total in _stats(text):
        if key == "read_bytes" and total is not None:
            yield Sample("read_bytes_per_second", mount, total)
        elif key == "write_bytes" and total is not None:
            yield Sample("written_bytes_per_second", mount, total)
        elif key == "open":
            yield Sample("opens_per_second", mount, count)
        elif key in _METADATA:
            metadata += count
    if text:
        yield Sample("metadata_calls_per_second", mount, metadata)


def _target(look: MachineLook, target: str, text: str) -> Iterator[Sample]:
    for key, count, total_us in _stats(text):
        if key != "req_waittime":
            continue
        yield Sample("target_calls_per_second", target, count)
        ended, took_us = look.grown(target, count), look.grown(f"{target} time", total_us or 0)
        if ended and took_us is not None:
            yield Sample("target_latency_seconds", target, took_us / ended / 1e6)


def _stats(text: str) -> Iterator[tuple[str, int, int | None]]:
    """Of each line the name, the number, and the sum where one is told."""
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 3 and words[2] == "samples":
            yield words[0], int(words[1]), int(words[6]) if len(words) > 6 else None
