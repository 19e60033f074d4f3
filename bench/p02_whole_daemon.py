"""P2: what the whole daemon adds to the bare reading of the counters, at 1 Hz with carbon and hub on."""

from __future__ import annotations

from bench.result import Goal, Result, Row
from bench.setting import Setting
from bench.steady_state import SLOW_EVERY, campaign

ROWS = (
    Row(
        "P2",
        "whole node daemon at 1 Hz, 200 cgroups, carbon and hub on / bare C `pread` loop at 1 Hz",
        Goal(1.30),
        Goal(1.15),
        "the bare C loop on the files that the daemon was seen reading",
    ),
)


def measure(setting: Setting) -> list[Result]:
    runs = campaign(setting)
    pairs = runs.daemon_to_loop
    files = len(runs.seen.reads)
    note = (
        f"{files} files; {len(pairs.ours)} windows of {SLOW_EVERY} ticks; "
        f"loop {min(pairs.reference) / 1e3:.1f}–{max(pairs.reference) / 1e3:.1f} ms CPU a tick, "
        f"daemon {min(pairs.ours) / 1e3:.1f}–{max(pairs.ours) / 1e3:.1f}; {runs.left_out} ticks left out; "
        f"{runs.daemon_system_share:.0%} of the daemon's time in the kernel, start-up included"
    )
    return [ROWS[0].measured(pairs.ratio, note)]
