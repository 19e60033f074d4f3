"""Power of CPU packages and their parts: RAPL's energy counters, `/sys/class/powercap` (kernel: power/powercap).

A counter wraps at `max_energy_range_uj`, on Intel after some minutes of full load, so a rate is of less than one turn
at intervals up to a minute. Since 2020 (CVE-2020-8694) the kernel lets root alone read it: without that right there
is no figure.
"""

from collections.abc import Iterator

from slurmlens.node.collectors.look import MachineLook, Sample

FOLDER = "sys/class/powercap"


def read(look: MachineLook) -> Iterator[Sample]:
    """See `look`."""
    for domain in look.files.names(FOLDER):
        if not domain.startswith(
            "intel-rapl:"
        ):  # AMD's are called so as well; intel-rapl-mmio is the same counter again
            continue
        energy_uj = look.files.number(f"{FOLDER}/{domain}/energy_uj")
        if energy_uj is None:
            continue
        name = (look.files.text(f"{FOLDER}/{domain}/name") or "").strip()
        package = domain.split(":")[1]
        of = name if name.startswith("package") else f"package-{package}-{name or domain}"
        yield Sample("power_watts", of, energy_uj, look.files.number(f"{FOLDER}/{domain}/max_energy_range_uj") or 0)
