"""A dropbox as on a node: a tmpfs of the shipped size, and Slurm's own program built to write into it (P12, P13).

Owns the mount and the build; the folder is that of a daemon under test. Events are those of jobs that ran, a Prolog and
an Epilog each, with ids from 900,000 on.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.node_daemon import USER_ID
from bench.result import NotMeasurable

HOOKS = Path(__file__).parents[1] / "slurm_hooks"
SIZE_BYTES = 16 * 1024 * 1024
FIRST_JOB_ID = 900_000
ROLES = ("prolog", "epilog")


@contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """A tmpfs of the shipped size on `folder`."""
    options = f"size={SIZE_BYTES},mode=2770,uid={USER_ID},gid={USER_ID}"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=False)
    if done.returncode:
        raise NotMeasurable("needs to mount a tmpfs for the dropbox")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def build_hooks(run_base: Path) -> Path:
    """The hooks, built as for nodes but for a dropbox and a syslog socket below `run_base`; returns their folder."""
    build = run_base / "hooks"
    places = [f"BUILD={build}", f"RUN_BASE={run_base}", f"SYSLOG_SOCKET={run_base}/log"]
    built = subprocess.run(["make", "-s", "-C", str(HOOKS), *places], capture_output=True, text=True, check=False)
    if built.returncode:
        raise NotMeasurable(f"the hook does not build: {(built.stderr.strip().splitlines() or [''])[-1]}")
    return build


def hook_call(folder: Path, number: int, node: str) -> tuple[Path, dict[str, str]]:
    """Program and environment of the `number`-th call: Prolog and Epilog of one job after the other."""
    job_id, role = str(FIRST_JOB_ID + number // 2), ROLES[number % 2]
    environment = {
        "SLURM_CLUSTER_NAME": "bench",
        "SLURMD_NODENAME": node,
        "SLURM_JOB_ID": job_id,
        "SLURM_JOBID": job_id,
        "SLURM_JOB_UID": "1000",
        "SLURM_JOB_GID": "1000",
        "SLURM_JOB_USER": "alice",
        "SLURM_JOB_PARTITION": "batch",
        "SLURM_SCRIPT_CONTEXT": f"{role}_slurmd",
    }
    return folder / f"slurmlens-{role}", environment


def call(program: Path, environment: dict[str, str]) -> None:
    """Run the hook to its end."""
    pid = os.posix_spawn(program, [str(program)], environment)
    _, status = os.waitpid(pid, 0)
    if status:
        raise NotMeasurable(f"the hook ended with status {status}, which it never may")
