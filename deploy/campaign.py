"""The demo's campaign: the block size of a matrix product, whose optimum is known, found by real jobs of alice's.

Owns the copy of the shipped example in alice's home and what is looked at afterwards: the optimum, and that each point
ran once by its own word. Used by the demo.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from deploy import json_client
from deploy.sandbox import CHECKOUT
from deploy.slurm import SmallSlurm
from deploy.slurmlens import program

EXAMPLE = CHECKOUT / "examples" / "block-size"
BEST = {"tile_m": 48, "tile_n": 96, "order": "ikj"}
QUICK = "\n[poll]\ninterval_s = 0.5\ninterval_max_s = 1.0\n"
MOST_S = 240.0
KILL_AFTER_POINTS = 3


def run_campaign(
    slurm: SmallSlurm,
    hub: str,
    say: Callable[[str], None],
    check: Callable[[bool, str], None],
    *,
    with_a_kill: bool = False,
) -> None:
    """Run it to its end, show its status, write its page. With a kill: its controller dies by SIGKILL on the way."""
    folder = slurm.sandbox.folder / "home/alice/block-size"
    file = _lay_out(slurm, folder)

    def campaign(verb: str, *options: str) -> str:
        argv = [str(program("slurmlens")), "campaign", verb, *options, "--hub", hub, str(file)]
        env = {"LEDGER": str(folder / "ledger")}
        return slurm.sandbox.run(argv, user="alice", cwd=folder, env=env, timeout_s=MOST_S).stdout

    say(f"$ slurmlens campaign run {file}")
    if with_a_kill:
        points = _kill_on_the_way(
            slurm, [str(program("slurmlens")), "campaign", "run", "--hub", hub, str(file)], folder
        )
        check(points > 0, f"its controller was killed by SIGKILL when {points} points had run")
        say("$ slurmlens campaign run …, which goes on")
    campaign("run")
    say(campaign("status"))
    view = json.loads(campaign("status", "--json"))
    best = next((point for point in view["points"] if point["point"] == view["best"]), None)
    check(best is not None and best["parameters"] == BEST, "the campaign found the known optimum")
    names = [line.split()[0] for line in (folder / "ledger").read_text().splitlines()]
    check(len(names) == len(set(names)) == len(view["points"]), "each of its points ran once")
    told = json_client.get(f"{hub}/campaigns/alice/block-size.json")["campaign"]
    check(told == view, "the hub's page of the campaign shows the same")
    say(f"campaigns: {hub}/campaigns/alice/block-size")
    say(f"its page:  {campaign('report').strip()}")


def _kill_on_the_way(slurm: SmallSlurm, argv: list[str], folder: Path) -> int:
    """Kills the controller as soon as some points have run; how many had."""
    env = {"LEDGER": str(folder / "ledger")}
    controller = slurm.sandbox.spawn("campaign", argv, user="alice", cwd=folder, env=env)
    deadline_s = time.monotonic() + MOST_S
    while (points := _points_run(folder)) < KILL_AFTER_POINTS and controller.running():
        if time.monotonic() > deadline_s:
            break
        time.sleep(0.2)
    controller.kill()
    return points


def _points_run(folder: Path) -> int:
    ledger = folder / "ledger"
    return len(ledger.read_text().splitlines()) if ledger.exists() else 0


def _lay_out(slurm: SmallSlurm, folder: Path) -> Path:
    shutil.copytree(EXAMPLE, folder)
    file = folder / "campaign.toml"
    text = file.read_text().replace("time_s = 60\n", 'time_s = 60\nenvironment = ["LEDGER"]\n')
    file.write_text(text + QUICK)
    slurm.sandbox.run(["chown", "-R", "alice:", str(folder)])
    return file
