"""Interfaces: bytes, packets, errors and drops, speed of the link: `/proc/net/dev` (proc_pid_net(5)), `/sys/class/net`.

One file tells all interfaces, by the name that each has now: one that is renamed begins anew under its new name,
also where another had that name. The
loopback and the kernel's ends of containers' interfaces are left out. A link that is down says speed -1, or nothing.
"""

from collections.abc import Iterator

from slurmlens.node.collectors.look import MachineLook, Sample

FOLDER = "sys/class/net"
_LEFT_OUT = ("lo", "veth", "cali", "lxc", "docker", "virbr", "tap", "dummy", "sit", "ip6tnl", "tunl")
_COLUMNS = {
    0: "received_bytes_per_second",
    1: "received_packets_per_second",
    2: "receive_errors_per_second",
    3: "receive_drops_per_second",
    8: "sent_bytes_per_second",
    9: "sent_packets_per_second",
    10: "send_errors_per_second",
    11: "send_drops_per_second",
}
_UNKNOWN_SPEED = 2**32 - 1


def read(look: MachineLook) -> Iterator[Sample]:
    """See `look`."""
    for line in (look.files.text("proc/net/dev") or "").splitlines()[2:]:
        name, _, rest = line.rpartition(":")
        name = name.strip()
        if name.startswith(_LEFT_OUT):
            continue
        if look.files.is_another(f"{FOLDER}/{name}"):
            continue  # what the other one counted is no beginning of a rate
        words = rest.split()
        for column, figure in _COLUMNS.items():
            yield Sample(figure, name, int(words[column]))
        speed_mbit = look.files.number(f"{FOLDER}/{name}/speed")
        if speed_mbit is not None and 0 < speed_mbit < _UNKNOWN_SPEED:
            yield Sample("link_bits_per_second", name, speed_mbit)
        changes = look.files.number(f"{FOLDER}/{name}/carrier_changes")
        if changes is not None:
            yield Sample("carrier_changes_count", name, changes)
