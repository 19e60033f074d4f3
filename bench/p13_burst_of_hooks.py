"""P13: 4,000 hook events in a row while the daemon is down, in a dropbox as small as the shipped one; what arrives.

Slurm's own program writes them (2,000 jobs, Prolog and Epilog); which ids it wrote is read from the dropbox before the
daemon starts, so a lost one cannot hide.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.node_daemon import USER_ID, DaemonShape
from bench.result import Goal, NotMeasurable, Result, Row
from bench.setting import Setting

HOOKS = Path(__file__).parents[1] / "slurm_hooks"
EVENTS = 4000
DROPBOX_BYTES = 16 * 1024 * 1024
DEADLINE_S = 60.0
ALL = Goal(100, "100 %", at_least=True)
WHAT = "4,000 hook events with the daemon stopped: delivered after it starts"
ROWS = (Row("P13", WHAT, ALL, ALL, "the ids in the dropbox", " %"),)


def measure(setting: Setting) -> list[Result]:
    shape = DaemonShape(setting.idle_node)
    daemon = setting.daemon(shape)
    with _dropbox(daemon.dropbox):
        began_s = time.monotonic()
        _run_hooks(_emitter(daemon.dropbox.parent), shape.node)
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


@contextmanager
def _dropbox(folder: Path) -> Iterator[None]:
    """A tmpfs of the shipped size on the daemon's dropbox."""
    options = f"size={DROPBOX_BYTES},mode=2770,uid={USER_ID},gid={USER_ID}"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=False)
    if mounted.returncode:
        raise NotMeasurable("needs to mount a tmpfs for the dropbox")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _emitter(run_base: Path) -> Path:
    """The hook, built as for nodes but for a dropbox of ours."""
    build = run_base / "hooks"
    command = ["make", "-s", "-C", str(HOOKS), f"BUILD={build}", f"RUN_BASE={run_base}"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode:
        raise NotMeasurable(f"the hook does not build: {(built.stderr.strip().splitlines() or [''])[-1]}")
    return build


def _run_hooks(folder: Path, node: str) -> None:
    for number in range(EVENTS // 2):
        for role in ("prolog", "epilog"):
            program = folder / f"slurmlens-{role}"
            environment = _environment(900_000 + number, role, node)
            pid = os.posix_spawn(program, [str(program)], environment)
            _, status = os.waitpid(pid, 0)
            if status:
                raise NotMeasurable(f"the hook ended with status {status}, which it never may")


def _environment(job_id: int, role: str, node: str) -> dict[str, str]:
    return {
        "SLURM_CLUSTER_NAME": "bench",
        "SLURMD_NODENAME": node,
        "SLURM_JOB_ID": str(job_id),
        "SLURM_JOBID": str(job_id),
        "SLURM_JOB_UID": "1000",
        "SLURM_JOB_GID": "1000",
        "SLURM_JOB_USER": "alice",
        "SLURM_JOB_PARTITION": "batch",
        "SLURM_SCRIPT_CONTEXT": f"{role}_slurmd",
    }


def _ids_in(dropbox: Path) -> set[str]:
    return {json.loads(path.read_bytes())["id"] for path in dropbox.glob("*.json")}


def _await(setting: Setting, written: set[str]) -> set[str]:
    """The ids of `written` that the hub has, as soon as it has all, or at the deadline."""
    deadline_s = time.monotonic() + DEADLINE_S
    while True:
        arrived = written & setting.receivers.ids().keys()
        if arrived == written or time.monotonic() > deadline_s:
            return arrived
        time.sleep(0.1)
