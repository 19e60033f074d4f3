"""P3: system calls on counter files per file and sample, counted by strace on the running daemon."""

from __future__ import annotations

from bench.result import Goal, NotMeasurable, Result, Row
from bench.setting import Setting
from bench.steady_state import campaign

ROWS = (Row("P3", "system calls per counter file and sample, steady state", Goal(1.0), Goal(1.0), "strace"),)


def measure(setting: Setting) -> list[Result]:
    runs = campaign(setting)
    seen, ticks = runs.seen, runs.seen_ticks
    if not seen.reads_total:
        raise NotMeasurable("the daemon was not seen reading any counter")
    on_counters = sum(seen.on_counters.values())
    others = (sum(seen.calls.values()) - on_counters) / ticks
    often = ", ".join(f"{name} {count / ticks:.0f}" for name, count in seen.calls.most_common(4))
    reads = f"{seen.reads_total / ticks:.0f} reads of {len(seen.reads)} files"
    note = f"{reads} and {others:.0f} other system calls a tick; most often {often}"
    return [ROWS[0].measured(on_counters / seen.samples(ticks), note)]
