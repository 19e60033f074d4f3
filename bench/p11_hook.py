"""P11: what a hook costs, event written, against a static C program that returns 0 (`hook_latency` does the timing)."""

from __future__ import annotations

import subprocess

from bench import hook_latency
from bench.result import Goal, NotMeasurable, Result, Row
from bench.setting import Setting

REFERENCE = "a static C program that returns 0"
WALL = Row("P11", "hook, event in the dropbox, wall p50 / static C hello", Goal(1.3), Goal(0.6), REFERENCE)
CPU = Row("P11", "hook, event in the dropbox, CPU p50 / static C hello", Goal(1.3), Goal(0.6), REFERENCE)
ROWS = (WALL, CPU)


def measure(setting: Setting) -> list[Result]:
    try:
        seen = hook_latency.measure(setting.choose(1000, 200))
    except (RuntimeError, subprocess.CalledProcessError, FileNotFoundError) as error:
        raise NotMeasurable(str(error)) from error
    wall = (
        f"{seen['hook_wall_us']:.0f} µs against {seen['hello_wall_us']:.0f}; "
        f"p99 {seen['hook_wall_p99_us']:.0f} against {seen['hello_wall_p99_us']:.0f}"
    )
    cpu = f"{seen['hook_cpu_us']:.0f} µs against {seen['hello_cpu_us']:.0f}"
    return [WALL.measured(seen["wall_ratio"], wall), CPU.measured(seen["cpu_ratio"], cpu)]
