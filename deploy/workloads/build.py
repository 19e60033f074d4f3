"""Puts the workloads into an instance's work folder, where every demo user reaches them, and compiles the programs."""

from __future__ import annotations

import shutil
from pathlib import Path

from deploy.sandbox import Sandbox, require_programs

SOURCES = Path(__file__).parent
CLIENT = SOURCES.parents[1] / "cext/client/slurmlens_progress.h"
SCRIPTS = ("gemm.sh", "pingpong.sh", "plain.sh", "fault.sh")
# Debian's mpicc may be Open MPI, which speaks only PMIx, where two slurmds on one host collide.
COMPILERS = {"gemm": "mpicc.mpich", "burn": "gcc", "grow": "gcc"}


def build(sandbox: Sandbox) -> Path:
    """The folder with gemm, burn, grow and the scripts; jobs find it in $WORKLOADS."""
    require_programs(sorted(set(COMPILERS.values())))
    folder = sandbox.make_folder("workloads")
    for name in SCRIPTS:
        shutil.copy(SOURCES / name, folder / name)
    shutil.copy(CLIENT, folder)
    for name, compiler in COMPILERS.items():
        shutil.copy(SOURCES / f"{name}.c", folder)
        argv = [compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-o", f"{folder}/{name}", f"{folder}/{name}.c", "-lm"]
        sandbox.run(argv)
    return folder
