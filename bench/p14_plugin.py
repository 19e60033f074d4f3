"""P14: what the SPANK plugin adds to `srun true`.

On a real small Slurm, steps of one waiting job: blocks of `CALLS` runs of srun with the plugin in plugstack.conf and
without, in turn, wall time of a block by a clock inside. No daemon runs; what the plugin wrote is looked at and thrown
away after each block.

The same steps say whether their figures are right: the greatest difference between CPU seconds as the plugin told them
and as the programs' own getrusage did, over `BURNS` steps of each length.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.errors import MachineLacks
from deploy.sandbox import Sandbox
from deploy.slurm import SmallSlurm
from deploy.workloads.build import build

from bench.result import Goal, NotMeasurable, Result, Row, interleave
from bench.setting import Setting
from deploy import slurmlens

CALLS = 20
BURNS = 25
BURNS_S = (0.001, 0.02, 0.2, 2.0)
TOLERANCE = 0.02
LEAST_TOLERANCE_S = 0.002

ROWS = (
    Row(
        "P14",
        "added by the SPANK plugin to `srun true`, wall time",
        Goal(3.0, "≤ 3 %"),
        Goal(1.0, "≤ 1 %"),
        "the same Slurm without it",
        " %",
    ),
    Row(
        "P14",
        "steps of 1 ms to 2 s whose CPU seconds are getrusage's, within 2 % or 2 ms",
        Goal(100.0, "100 %", at_least=True),
        Goal(100.0, "100 %", at_least=True),
        "the programs' own",
        " %",
    ),
)
_OWN = re.compile(r"^burn: ([0-9.]+) CPU s$", re.MULTILINE)


def measure(setting: Setting) -> list[Result]:
    try:
        with _plugged() as bench:
            return [bench.cost(setting.choose(40, 6)), bench.exactness(setting.choose(BURNS, 3))]
    except MachineLacks as error:
        raise NotMeasurable(str(error)) from error


@contextmanager
def _plugged() -> Iterator[_Bench]:
    with Sandbox() as sandbox:
        slurm = SmallSlurm(sandbox, nodes=1, plugstack=slurmlens.spank_plugin(sandbox))
        slurmlens.make_dropboxes(sandbox, slurm.node_names)
        slurm.start()
        try:
            yield _Bench(slurm)
        finally:
            slurm.stop()


class _Bench:
    """A Slurm of one node with a job that waits, for steps to run in."""

    def __init__(self, slurm: SmallSlurm) -> None:
        self._slurm = slurm
        self._conf = slurm.sandbox.folder / "etc/slurm/plugstack.conf"
        self._line = self._conf.read_text()
        self._workloads = build(slurm.sandbox)
        self._job = slurm.submit("sleep 3000", "--mem=200")
        slurm.wait_state(self._job, "RUNNING")

    def cost(self, blocks: int) -> Result:
        """The added share of a block's time, in percent."""
        self._block(self._line)  # warm: the first step loads what later ones have
        pairs = interleave(lambda: self._block(self._line), lambda: self._block(""), blocks)
        added = (pairs.ratio - 1) * 100
        one_ms = sorted(pairs.reference)[len(pairs.reference) // 2] / CALLS * 1e3
        return ROWS[0].measured(added, f"{blocks} pairs of {CALLS}; srun true takes {one_ms:.0f} ms without it")

    def exactness(self, steps: int) -> Result:
        self._conf.write_text(self._line)
        worst_s, right, count = 0.0, 0, 0
        for burn_s in BURNS_S:
            own_s = [self._burn(burn_s) for _ in range(steps if burn_s < 1 else 3)]
            told_s = self._told_s()
            count += len(own_s)
            for own, told in zip(own_s, told_s, strict=False):  # a step that was not told is not right
                right += abs(told - own) <= max(LEAST_TOLERANCE_S, TOLERANCE * own)
                worst_s = max(worst_s, abs(told - own))
        return ROWS[1].measured(right / count * 100, f"{count} steps, the worst is {worst_s * 1e3:.2f} ms off")

    def _block(self, line: str) -> float:
        self._conf.write_text(line)
        step = f"srun --jobid={self._job} --overlap -n1 true"
        loop = f"b=$(date +%s%N); for _ in $(seq {CALLS}); do {step} || exit 1; done; echo $(($(date +%s%N) - b))"
        taken_ns = int(self._slurm.slurm("sh", "-c", loop, user="alice", timeout_s=300).split()[-1])
        told = len(self._told_s())
        if told != (CALLS if line else 0):
            raise NotMeasurable(f"of {CALLS} steps {told} were told")
        return taken_ns / 1e9

    def _burn(self, burn_s: float) -> float:
        argv = ["srun", f"--jobid={self._job}", "--overlap", "-n1", f"{self._workloads}/burn", str(burn_s)]
        said = _OWN.search(self._slurm.slurm(*argv, user="alice"))
        if said is None:
            raise NotMeasurable("a program did not say what it used")
        return float(said[1])

    def _told_s(self) -> list[float]:
        """CPU seconds of the steps that were told since the last time, in their order; the dropbox is empty then."""
        folder = f"{slurmlens.DROPBOXES}/{self._slurm.node_names[0]}"
        take = f"cat {folder}/*-step-exit.json 2>/dev/null; rm -f {folder}/*.json"
        events = [json.loads(line) for line in self._slurm.sandbox.run(["sh", "-c", take]).stdout.splitlines()]
        return [event["counters"]["cpu_usage_ns"] / 1e9 for event in events if "counters" in event]
