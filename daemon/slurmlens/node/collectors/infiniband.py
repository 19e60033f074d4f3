"""InfiniBand, RoCE and Omni-Path ports: bytes, errors, speed and lanes: `/sys/class/infiniband/DEVICE/ports/N`.

Kernel: ABI/stable/sysfs-class-infiniband. Data counters count four octets at a time. A device without extended
counters keeps them in 32 bits that stick at their greatest value, and error counters stick in 4, 8 or 16 bits: what is
stuck says only "at least". 32-bit data counters that wrap are taken as such; one that stuck makes no rate.
"""

from collections.abc import Iterator

from slurmlens.node.collectors.look import MachineLook, Sample

FOLDER = "sys/class/infiniband"
WRAPS_AT = 2**32
_TRAFFIC = {
    "port_rcv_data": "received_bytes_per_second",
    "port_xmit_data": "sent_bytes_per_second",
    "port_rcv_packets": "received_packets_per_second",
    "port_xmit_packets": "sent_packets_per_second",
    "port_xmit_wait": "send_wait_per_second",
}
_ERRORS = {
    "symbol_error": "symbol_errors_count",
    "port_rcv_errors": "receive_errors_count",
    "port_xmit_discards": "send_discards_count",
    "link_error_recovery": "link_recoveries_count",
    "link_downed": "link_downed_count",
    "local_link_integrity_errors": "integrity_errors_count",
}
_ACTIVE = 4


def read(look: MachineLook) -> Iterator[Sample]:
    """See `look`."""
    for device in look.files.names(FOLDER):
        for port in look.files.names(f"{FOLDER}/{device}/ports"):
            yield from _port(look, f"{FOLDER}/{device}/ports/{port}", f"{device}-{port}")


def _port(look: MachineLook, folder: str, name: str) -> Iterator[Sample]:
    for counter, figure in _TRAFFIC.items():
        value = look.files.number(f"{folder}/counters/{counter}")
        if value is not None and value != WRAPS_AT - 1:
            yield Sample(figure, name, value, wraps_at=WRAPS_AT if value < WRAPS_AT else 0)
    for counter, figure in _ERRORS.items():
        errors = look.files.number(f"{folder}/counters/{counter}")
        if errors is not None:
            yield Sample(figure, name, errors)
    out_of_sequence = look.files.number(f"{folder}/hw_counters/out_of_sequence")
    if out_of_sequence is not None:
        yield Sample("out_of_sequence_count", name, out_of_sequence)
    state = (look.files.text(f"{folder}/state") or "").partition(":")[0]  # "4: ACTIVE"
    if state.isdecimal():
        yield Sample("active_count", name, float(int(state) == _ACTIVE))
    yield from _link(name, look.files.text(f"{folder}/rate") or "")


def _link(name: str, rate: str) -> Iterator[Sample]:
    """Of `100 Gb/sec (4X EDR)`."""
    words = rate.replace("(", " ").replace(")", " ").split()
    if len(words) > 1 and words[1] == "Gb/sec":
        yield Sample("link_bits_per_second", name, float(words[0]) * 1e9)
    lanes = words[2] if len(words) > 2 else ""
    if lanes.endswith("X") and lanes[:-1].isdecimal():
        yield Sample("link_lanes_count", name, int(lanes[:-1]))
