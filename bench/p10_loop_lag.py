"""P10: how late the daemon's event loop is while 200 cgroups are read, against a loop that has nothing to do."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

from bench.node_daemon import USER_ID, DaemonShape
from bench.result import Goal, NotMeasurable, Result, Row, interleave
from bench.setting import Setting

ROWS = (
    Row(
        "P10",
        "event-loop lag p99 during a tick of 200 cgroups / idle loop p99",
        Goal(5.0),
        Goal(3.0),
        "the same probe in a loop of its own",
    ),
)


def measure(setting: Setting) -> list[Result]:
    seconds = setting.choose(10, 5)
    shape = DaemonShape(setting.tree.node, interval_s=1.0)

    def ours() -> float:
        return p99_us(seconds, str(setting.daemon(shape).config_path))

    pairs = interleave(ours, lambda: p99_us(seconds), setting.choose(3, 2))
    mine, idle = statistics.median(pairs.ours) / 1e3, statistics.median(pairs.reference) / 1e3
    return [ROWS[0].measured(pairs.ratio, f"{mine:.2f} ms against {idle:.2f} ms")]


def p99_us(seconds: int, *config: str) -> float:
    command = [sys.executable, "-m", "bench.loop_probe", str(seconds), *config]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, user=USER_ID, group=USER_ID, extra_groups=[]
    )
    if done.returncode:
        raise NotMeasurable(f"the probe failed: {(done.stderr.strip().splitlines() or ['it said nothing'])[-1]}")
    return float(json.loads(done.stdout.splitlines()[-1])["p99_us"])
