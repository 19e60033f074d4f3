"""P12 on a real Slurm: how long Prolog and Epilog take while two hundred jobs start and end, daemons up and SIGSTOPped.

Four nodes with every hook, the SPANK plugin, daemons and the hub; bursts of two hundred array tasks, the states in an
order that changes. A program between slurmd and the hook measures the hook from its start to its end. A state's figure
is the median of its bursts' 99th percentiles.
"""

from __future__ import annotations

import random
import statistics
import time
from pathlib import Path

from deploy.errors import MachineLacks
from deploy.sandbox import Sandbox
from deploy.stack import Stack

from bench.programs import program
from bench.result import Goal, NotMeasurable, Result, Row, percentile
from bench.setting import Setting
from deploy import slurmlens

JOBS = 200
NODES = 4
AT_ONCE_ON_A_CPU = 4
ENDED_WITHIN_S = 300.0
STATES = ("up", "stopped")
ROWS = (
    Row(
        "P12",
        f"Prolog and Epilog p99 while {JOBS} jobs start and end at once on a real Slurm, daemons SIGSTOPped / up",
        Goal(2.0),
        Goal(1.2),
        "the same with daemons up",
    ),
)


def measure(setting: Setting) -> list[Result]:
    p99_us: dict[str, list[float]] = {state: [] for state in STATES}
    try:
        with Sandbox() as sandbox:
            stack = Stack(sandbox, nodes=NODES, with_plugin=True, hooks=_timed_hooks)
            try:
                stack.start_slurm()
                stack.start_hub()
                stack.start_nodes()
                for number in range(setting.choose(5, 1)):
                    for state in random.Random(number).sample(STATES, len(STATES)):
                        p99_us[state].append(percentile(_burst_us(stack, state), 0.99))
            finally:
                stack.stop()
    except MachineLacks as error:
        raise NotMeasurable(str(error)) from error
    medians = {state: statistics.median(values) for state, values in p99_us.items()}
    note = ", ".join(f"{state} {value:.0f} µs" for state, value in medians.items())
    return [ROWS[0].measured(medians["stopped"] / medians["up"], f"{note}; {len(p99_us['up'])} bursts each")]


def _timed_hooks(sandbox: Sandbox) -> tuple[Path, Path]:
    hook = slurmlens.hooks(sandbox)[0]
    sandbox.run(["install", "-m", "755", str(program("timed_hook")), f"{hook.parent}/timed"])
    links = hook.with_name("timed-prolog"), hook.with_name("timed-epilog")
    for link in links:
        link.symlink_to("timed")
    return links


def _burst_us(stack: Stack, state: str) -> list[float]:
    """Microseconds of each Prolog and Epilog of one burst."""
    times = stack.sandbox.folder / "hooks/times"
    times.unlink(missing_ok=True)
    slurm = stack.slurm
    shared = f"PartitionName=all Nodes={','.join(slurm.node_names)} OverSubscribe=FORCE:{AT_ONCE_ON_A_CPU}"
    slurm.slurm("scontrol", "update", *shared.split())
    for daemon in stack.nodes.values():
        daemon.pause() if state == "stopped" else daemon.resume()
    try:
        array = slurm.submit("srun true", f"--array=1-{JOBS}", "--mem=50", "--output=/dev/null")
        deadline_s = time.monotonic() + ENDED_WITHIN_S
        while slurm.slurm("squeue", "--noheader", f"--jobs={array}", check=False).strip():
            if time.monotonic() > deadline_s:
                raise NotMeasurable(f"{JOBS} jobs did not end within {ENDED_WITHIN_S:.0f} s")
            time.sleep(0.5)
    finally:
        for daemon in stack.nodes.values():
            daemon.resume()
    taken_us = [int(line) / 1e3 for line in times.read_text().splitlines()]
    if len(taken_us) != 2 * JOBS:
        raise NotMeasurable(f"of {2 * JOBS} hooks {len(taken_us)} were measured")
    return taken_us
