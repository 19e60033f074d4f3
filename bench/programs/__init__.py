"""The C programs of the benchmark, built when they are needed.

Owns `.cache/bench/` of the checkout: a folder of binaries per state of the sources, so that nothing stale is ever
run.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from bench.result import NotMeasurable

SOURCES = Path(__file__).parent
BUILD = SOURCES.parents[1] / ".cache" / "bench"
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra")


def program(name: str, compiler: str = "cc") -> Path:
    """The built `NAME.c`, as a program."""
    return _built(name, name, compiler, ())


def shared_object(name: str) -> Path:
    """The built `NAME.c`, to be loaded into this process."""
    return _built(name, f"{name}.so", "cc", ("-shared", "-fPIC"))


def _built(name: str, target: str, compiler: str, extra: tuple[str, ...]) -> Path:
    source = SOURCES / f"{name}.c"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    binary = BUILD / digest / target
    if binary.exists():
        return binary
    if shutil.which(compiler) is None:
        raise NotMeasurable(f"needs the compiler {compiler}")
    binary.parent.mkdir(parents=True, exist_ok=True)
    command = [compiler, *FLAGS, *extra, "-o", str(binary), str(source)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode:
        raise NotMeasurable(f"{source.name} does not build: {built.stderr.strip().splitlines()[-1]}")
    return binary
