"""PEER: what a campaign loses and does twice when its controller is killed and slurmctld stalls, and a plain loop, too.

A campaign of 24 points, four at once, each run three seconds, on a real small Slurm; the controller is killed by
SIGKILL three times, when so many runs have begun, and started again; once slurmctld stands still for some seconds. The
same for a plain loop of Optuna and submitit (`programs/optuna_submitit.py`), whose trials are in Optuna's own storage.
The judge is the runs' own ledger: a run is lost whose result nobody was ever told, and made twice whose point another
run had as well.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from deploy.component import Service
from deploy.errors import ComponentFailed, MachineLacks
from deploy.slurm import SmallSlurm, small_slurm

from bench.result import Goal, NotMeasurable, Result, Row
from bench.setting import Setting

POINTS, AT_ONCE, RUN_S = 24, 4, 3.0
KILLED_AT = (5, 11, 17)
STALLED_AT, STALLED_S = 14, 8.0
MOST_S = 240.0
LOOP = Path(__file__).parent / "programs/optuna_submitit.py"
ROWS = (
    Row(
        "PEER",
        f"runs lost or made twice of {POINTS} points, the controller killed three times, slurmctld stalled once",
        Goal(0),
        Goal(0),
        "a plain loop of Optuna and submitit, killed and stalled alike",
    ),
)
CAMPAIGN = """
name = "ours"
[[objective]]
name = "z"
[job]
script = "run.sh"
time_s = 60
options = ["--mem=200"]
[optimiser]
use = "optuna:tpe"
start_points = 10
seed = 7
[limits]
at_once = {at_once}
points = {points}
[space]
x = {{ low = -1.0, high = 1.0 }}
y = {{ low = -1.0, high = 1.0 }}
[result.z]
file = "z"
match = '(\\S+)'
[early_stop]
rule = "none"
[poll]
interval_s = 0.3
interval_max_s = 0.5
"""
SCRIPT = """#!/bin/sh
echo "$P_x,$P_y $SLURM_JOB_ID" >> {ledger}
sleep {seconds}
python3 -c "print(($P_x - 0.3) ** 2 + ($P_y + 0.2) ** 2)" > z
"""


class Came(NamedTuple):
    """What came of a campaign, by its runs' ledger."""

    runs: int
    lost: int
    twice: int

    def __str__(self) -> str:
        return f"{self.lost} lost and {self.twice} made twice of {self.runs} runs"


def measure(setting: Setting) -> list[Result]:
    try:
        import submitit  # noqa: F401
    except ImportError as error:
        raise NotMeasurable("needs submitit (make setup)") from error
    try:
        with small_slurm(nodes=2) as slurm:
            ours, peer = (side(slurm) for side in (_ours, _peer))
    except MachineLacks as error:
        raise NotMeasurable(str(error)) from error
    return [ROWS[0].measured(ours.lost + ours.twice, f"{ours}; Optuna + submitit: {peer}")]


def _ours(slurm: SmallSlurm) -> Came:
    folder = _folder(slurm, "ours")
    (folder / "campaign.toml").write_text(CAMPAIGN.format(at_once=AT_ONCE, points=POINTS))
    (folder / "run.sh").write_text(SCRIPT.format(ledger=folder / "ledger", seconds=RUN_S))
    _own(slurm, folder)
    program = [sys.executable, "-m", "slurmlens.cli.main", "campaign"]
    _through(slurm, folder, [*program, "run", str(folder / "campaign.toml")])
    said = slurm.sandbox.run(
        [*program, "status", "--json", str(folder / "campaign.toml")], user="alice", cwd=folder
    ).stdout
    return _came(folder, json.loads(said)["counts"].get("fine", 0))


def _peer(slurm: SmallSlurm) -> Came:
    folder = _folder(slurm, "peer")
    shutil.copy(LOOP, folder)
    _own(slurm, folder)
    program = [sys.executable, str(folder / LOOP.name), str(folder), str(POINTS), str(AT_ONCE), str(RUN_S)]
    _through(slurm, folder, program)
    count = (
        "import optuna, sys; study = optuna.load_study(study_name='peer', storage=sys.argv[1]);"
        "print(sum(one.state.name == 'COMPLETE' for one in study.trials))"
    )
    told = slurm.sandbox.run([sys.executable, "-c", count, f"sqlite:///{folder}/study.sqlite3"], user="alice").stdout
    return _came(folder, int(told.split()[-1]))


def _folder(slurm: SmallSlurm, name: str) -> Path:
    folder = slurm.sandbox.folder / "home" / "alice" / name
    folder.mkdir()
    return folder


def _own(slurm: SmallSlurm, folder: Path) -> None:
    slurm.sandbox.run(["chown", "-R", "alice:", str(folder)])


def _through(slurm: SmallSlurm, folder: Path, argv: Sequence[str]) -> None:
    """The controller from its first start to its end, with everything that is done to it on the way."""
    ledger = folder / "ledger"
    controller = Service(slurm.sandbox, f"{folder.name}-controller", argv, lambda: True, user="alice", cwd=folder)
    deeds: list[tuple[int, Callable[[], None]]] = [
        *((runs, lambda: _killed(controller)) for runs in KILLED_AT),
        (STALLED_AT, lambda: _stalled(slurm)),
    ]
    deadline_s = time.monotonic() + MOST_S
    controller.start()
    for runs, deed in sorted(deeds, key=lambda one: one[0]):
        while len(_lines(ledger)) < runs and _is_running(controller):
            _late(deadline_s, f"{folder.name}: {len(_lines(ledger))} runs of {runs}")
        deed()
    while _is_running(controller):
        _late(deadline_s, f"the end of {folder.name}")
    while slurm.slurm("squeue", "--noheader", "--states=PD,R,CG").strip():
        _late(deadline_s, f"the last runs of {folder.name}")


def _is_running(controller: Service) -> bool:
    """A loop that gave up, as over a slurmctld that does not answer, is started again by whoever looks after it."""
    process = controller.process
    assert process is not None
    if process.running():
        return True
    if process.returncode == 0:
        return False
    controller.start()
    return True


def _killed(controller: Service) -> None:
    if controller.process is not None:
        controller.process.signal(signal.SIGKILL)
        controller.process.wait(10)
    controller.start()


def _stalled(slurm: SmallSlurm) -> None:
    slurm.controller.pause()
    time.sleep(STALLED_S)
    slurm.controller.resume()


def _late(deadline_s: float, what: str) -> None:
    if time.monotonic() > deadline_s:
        raise ComponentFailed("campaign", f"not within {MOST_S:g} s: {what}")
    time.sleep(0.2)


def _lines(ledger: Path) -> list[str]:
    return ledger.read_text().splitlines() if ledger.exists() else []


def _came(folder: Path, told: int) -> Came:
    points = Counter(line.split()[0] for line in _lines(folder / "ledger"))
    return Came(points.total(), points.total() - told, points.total() - len(points))
