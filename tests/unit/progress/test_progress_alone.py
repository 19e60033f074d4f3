"""The client works as the packages lay it out: beside nothing of ours but the package's own first file."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from testkit.checkout import ROOT

PACKAGE = ROOT / "daemon/slurmlens"
PROGRAM = "from slurmlens import progress; print(progress(1, 2), progress.event('x'), list(progress.track([1, 2])))"


def test_the_client_needs_nothing_else_of_the_package(tmp_path: Path) -> None:
    (tmp_path / "slurmlens").mkdir()
    shutil.copy(PACKAGE / "__init__.py", tmp_path / "slurmlens")
    shutil.copytree(PACKAGE / "progress", tmp_path / "slurmlens/progress")
    argv = [sys.executable, "-S", "-E", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {PROGRAM}"]
    done = subprocess.run(argv, cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout == "False False [1, 2]\n"
