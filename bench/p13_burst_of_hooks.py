"""P13: 4,000 hook events in a row while the daemon is down, in a dropbox as small as the shipped one; what arrives.

Slurm's own program writes them (2,000 jobs, Prolog and Epilog); which ids it wrote is read from the dropbox before the
daemon starts, so a lost one cannot hide.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from bench import dropbox
from bench.node_daemon import DaemonShape
from bench.result import Goal, Result, Row
from bench.setting import Setting

EVENTS = 4000
DEADLINE_S = 60.0
ALL = Goal(100, "100 %", at_least=True)
WHAT = "4,000 hook events with the daemon stopped: delivered after it starts"
ROWS = (Row("P13", WHAT, ALL, ALL, "the ids in the dropbox", " %"),)


def measure(setting: Setting) -> list[Result]:
    shape = DaemonShape(setting.idle_node)
    daemon = setting.daemon(shape)
    with dropbox.mounted(daemon.dropbox):
        began_s = time.monotonic()
        _run_hooks(dropbox.build_hooks(daemon.dropbox.parent), shape.node)
        wrote_s = time.monotonic() - began_s
        written = _ids_in(daemon.dropbox)
        with daemon:
            began_s = time.monotonic()
            arrived = _await(setting, written)
            took_s = time.monotonic() - began_s
        left = sum(1 for _ in daemon.dropbox.glob("*.json"))
    delivered = f"{len(arrived)} delivered within {took_s:.1f} s"
    note = f"{len(written)} written in {wrote_s:.1f} s, {delivered}, {left} left in the dropbox"
    return [ROWS[0].measured(100 * len(arrived) / EVENTS, note)]


def _run_hooks(folder: Path, node: str) -> None:
    for number in range(EVENTS):
        dropbox.call(*dropbox.hook_call(folder, number, node))


def _ids_in(folder: Path) -> set[str]:
    return {json.loads(path.read_bytes())["id"] for path in folder.glob("*.json")}


def _await(setting: Setting, written: set[str]) -> set[str]:
    """The ids of `written` that the hub has, as soon as it has all, or at the deadline."""
    deadline_s = time.monotonic() + DEADLINE_S
    while True:
        arrived = written & setting.receivers.ids().keys()
        if arrived == written or time.monotonic() > deadline_s:
            return arrived
        time.sleep(0.1)
