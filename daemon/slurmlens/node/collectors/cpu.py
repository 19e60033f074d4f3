"""CPU time per state, the busiest core, context switches, interrupts, forks: `/proc/stat` (proc_stat(5)).

Guests' time is part of user and nice there. The busiest core is kept as a figure and the others are not: 256 cores
would be 256 series.
"""

import os
from collections.abc import Iterator

from slurmlens.node.collectors.look import MachineLook, Sample

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
STATES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_IDLE = (STATES.index("idle"), STATES.index("iowait"))
_COUNTERS = {
    "ctxt": "context_switches_per_second",
    "intr": "interrupts_per_second",
    "processes": "forks_per_second",
    "procs_blocked": "blocked_count",
}


def read(look: MachineLook) -> Iterator[Sample]:
    """See `look`."""
    busiest: float | None = None
    cores = 0
    for line in (look.files.text("proc/stat") or "").splitlines():
        key, _, rest = line.partition(" ")
        if key == "cpu":
            yield from _states(rest)
        elif key.startswith("cpu"):
            cores += 1
            busy = _busy_ratio(look, key, rest)
            busiest = busy if busiest is None or (busy is not None and busy > busiest) else busiest
        elif key in _COUNTERS:
            yield Sample(_COUNTERS[key], "", int(rest.split(None, 1)[0]))
    yield Sample("cores_count", "", cores)
    if busiest is not None:
        yield Sample("busiest_core_ratio", "", busiest)


def _states(rest: str) -> Iterator[Sample]:
    for state, word in zip(STATES, rest.split(), strict=False):  # kernels before 2.6.11 tell no steal, later ones more
        yield Sample(f"{state}_cores", "", int(word) / TICKS_PER_S)


def _busy_ratio(look: MachineLook, key: str, rest: str) -> float | None:
    ticks = [int(word) for word in rest.split()[: len(STATES)]]
    passed = look.grown(key, sum(ticks))
    idle = look.grown(f"{key} idle", sum(ticks[index] for index in _IDLE))
    return None if not passed or idle is None else max(0.0, 1 - idle / passed)
