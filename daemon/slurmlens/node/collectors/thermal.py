"""Throttling for heat, and the clocks of the slowest and fastest core.

`/sys/devices/system/cpu/cpu*/thermal_throttle/*_throttle_count` (x86; every core of a package tells the package's
number, so one is taken) and `cpufreq/scaling_cur_freq` in kHz (kernel: admin-guide/pm/cpufreq).
"""

from collections.abc import Iterator

from slurmlens.node.collectors.look import MachineLook, Sample

FOLDER = "sys/devices/system/cpu"
MOST_CLOCKS = 32
"""Cores whose clock is asked for, spread over all: some drivers interrupt the core that is asked."""


def read(look: MachineLook) -> Iterator[Sample]:
    """See `look`."""
    cores = [name for name in look.files.names(FOLDER) if name.startswith("cpu") and name[3:].isdecimal()]
    yield from _throttles(look, cores)
    clocks = [
        look.files.number(f"{FOLDER}/{core}/cpufreq/scaling_cur_freq")
        for core in cores[:: len(cores) // MOST_CLOCKS + 1]
    ]
    told = [clock for clock in clocks if clock]
    if told:
        yield Sample("slowest_core_hertz", "", min(told))
        yield Sample("fastest_core_hertz", "", max(told))


def _throttles(look: MachineLook, cores: list[str]) -> Iterator[Sample]:
    of_cores: dict[tuple[str, str], int] = {}
    of_packages: dict[str, int] = {}
    for core in cores:
        count = look.files.number(f"{FOLDER}/{core}/thermal_throttle/core_throttle_count")
        if count is None:
            continue
        package = (look.files.text(f"{FOLDER}/{core}/topology/physical_package_id") or "0").strip()
        in_package = (look.files.text(f"{FOLDER}/{core}/topology/core_id") or core).strip()
        of_cores[package, in_package] = count  # two threads of a core tell the same
        total = look.files.number(f"{FOLDER}/{core}/thermal_throttle/package_throttle_count")
        if total is not None:
            of_packages[package] = total
    if of_cores:
        yield Sample("core_throttles_count", "", sum(of_cores.values()))
    for package, total in of_packages.items():
        yield Sample("package_throttles_count", f"package-{package}", total)
