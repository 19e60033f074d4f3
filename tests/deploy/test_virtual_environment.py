"""A virtual environment whose cache was moved is used where it is now."""

from __future__ import annotations

import subprocess
from pathlib import Path

from deploy.virtual_environment import at_home


def made(folder: Path) -> Path:
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", str(folder)], check=True)
    for name, interpreter in (("tool", f"{folder}/bin/python3"), ("other", "/bin/sh")):
        script = folder / "bin" / name
        script.write_text(
            f"#!{interpreter}\n" + ("import sys; print(sys.prefix)\n" if name == "tool" else "echo other\n")
        )
        script.chmod(0o755)
    return folder


def test_scripts_of_an_environment_that_was_moved_run_in_it(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    made(tmp_path / "env-1").rename(tmp_path / "new/env-1")
    (tmp_path / "seen").symlink_to(tmp_path / "new")
    place = at_home(tmp_path / "seen/env-1")
    assert place == tmp_path / "new/env-1"
    done = subprocess.run([place / "bin/tool"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(place)
    assert (place / "bin/tool").stat().st_mode & 0o777 == 0o755
    assert (place / "bin/other").read_text().startswith("#!/bin/sh\n")


def test_an_environment_at_its_place_is_left_as_it_is(tmp_path: Path) -> None:
    tool = made(tmp_path / "env-1") / "bin/tool"
    before = tool.stat().st_ino
    at_home(tmp_path / "env-1")
    assert tool.stat().st_ino == before
