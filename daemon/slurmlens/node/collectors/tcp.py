"""TCP: what had to be sent again, connections nobody took, packets the CPUs dropped.

`/proc/net/snmp` and `/proc/net/netstat` (a line of names, a line of numbers; kernel: networking/snmp_counter),
`/proc/net/softnet_stat` (a line a CPU, hexadecimal; the second column is what was dropped).
"""

from collections.abc import Iterator

from slurmlens.node.collectors.look import MachineLook, Sample

_WANTED = {
    ("Tcp", "OutSegs"): "sent_segments_per_second",
    ("Tcp", "RetransSegs"): "resent_segments_per_second",
    ("TcpExt", "ListenDrops"): "listen_drops_per_second",
}


def read(look: MachineLook) -> Iterator[Sample]:
    """See `look`."""
    for path in ("proc/net/snmp", "proc/net/netstat"):
        for protocol, name, value in _pairs(look.files.text(path) or ""):
            if (protocol, name) in _WANTED:
                yield Sample(_WANTED[protocol, name], "", value)
    text = look.files.text("proc/net/softnet_stat")
    if text:
        yield Sample("backlog_drops_per_second", "", sum(int(line.split()[1], 16) for line in text.splitlines()))


def _pairs(text: str) -> Iterator[tuple[str, str, int]]:
    lines = text.splitlines()
    for heading, numbers in zip(lines[::2], lines[1::2], strict=False):
        protocol, _, names = heading.partition(":")
        for name, value in zip(names.split(), numbers.partition(":")[2].split(), strict=False):
            yield protocol, name, int(value)
