"""The NFS client: all calls by `/proc/net/rpc/nfs`, each mount by `/proc/self/mountstats` (as nfsiostat(8)).

A mount's calls are its `per-op statistics`: operations, transmissions, timeouts, bytes sent, bytes received, and
milliseconds queued, on the wire and in all. Reading these asks no server. Bytes are those that went over the wire
(`bytes:`, columns 5 and 6), not what the page cache served.
"""

from collections.abc import Iterator

from slurmlens.node.collectors.look import MachineLook, Sample

_SERVER_READ, _SERVER_WRITTEN = 4, 5
_OPERATIONS, _TIMEOUTS, _EXECUTE_MS = 0, 2, 7


def read(look: MachineLook) -> Iterator[Sample]:
    """See `look`."""
    for line in (look.files.text("proc/net/rpc/nfs") or "").splitlines():
        words = line.split()
        if words[:1] == ["rpc"]:
            yield Sample("calls_per_second", "", int(words[1]))
            yield Sample("retransmissions_per_second", "", int(words[2]))
    mount: str | None = None
    calls = [0, 0, 0]
    for line in (look.files.text("proc/self/mountstats") or "").splitlines():
        words = line.split()
        if line.startswith("device "):
            if mount is not None:
                yield from _calls(look, mount, calls)
            mount, calls = _mount_point(words), [0, 0, 0]
        elif mount is None or not words:
            continue
        elif words[0] == "bytes:":
            yield Sample("mount_read_bytes_per_second", mount, int(words[1 + _SERVER_READ]))
            yield Sample("mount_written_bytes_per_second", mount, int(words[1 + _SERVER_WRITTEN]))
        elif words[0].endswith(":") and words[0][:-1].isupper() and len(words) > 8:
            _add(calls, words[1:])
    if mount is not None:
        yield from _calls(look, mount, calls)


def _mount_point(words: list[str]) -> str | None:
    """Of `device SERVER:/PATH mounted on POINT with fstype nfs4 statvers=1.1`; None of another file system."""
    if "fstype" not in words or not words[words.index("fstype") + 1].startswith("nfs"):
        return None
    return words[words.index("on") + 1]


def _add(calls: list[int], words: list[str]) -> None:
    calls[0] += int(words[_OPERATIONS])
    calls[1] += int(words[_TIMEOUTS])
    calls[2] += int(words[_EXECUTE_MS])


def _calls(look: MachineLook, mount: str, calls: list[int]) -> Iterator[Sample]:
    ended, timeouts, took_ms = calls
    yield Sample("mount_calls_per_second", mount, ended)
    yield Sample("mount_timeouts_per_second", mount, timeouts)
    ended_now, took_now_ms = look.grown(mount, ended), look.grown(f"{mount} time", took_ms)
    if ended_now and took_now_ms is not None:
        yield Sample("mount_latency_seconds", mount, took_now_ms / ended_now / 1000)
