"""Writes bundle.txt and build.txt: what the packages bring of Python, each wheel by its hash, from requirements.lock.

`python3 packaging/lock_bundle.py` after a change of the dependencies; needs the network, the packages' build does not.
A build takes only the wheels that are named, so a package has the same bytes whoever makes it.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
"""Debian 12, EL 9's AppStream, Debian 13 and the Debian after it have one of these."""
BUILD = ("setuptools>=69", "wheel", "cffi>=1.16")


def main() -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    brought = [one for extra in ("hub", "kafka", "postgresql", "nvidia") for one in extras[extra]]
    lock("bundle.txt", [*project["dependencies"], *brought])
    lock("build.txt", BUILD)
    return 0


def lock(name: str, wanted: list[str] | tuple[str, ...]) -> None:
    hashes: dict[str, set[str]] = {}
    for python in PYTHONS:
        with tempfile.TemporaryDirectory() as folder:
            platforms = ("--platform=manylinux_2_28_x86_64", "--platform=manylinux2014_x86_64")
            choice = ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}", *platforms]
            limits = ["-c", str(ROOT / "requirements.lock")]
            argv = [sys.executable, "-m", "pip", "download", "-q", "-d", folder, *choice, *limits, *wanted]
            subprocess.run(argv, check=True)
            for wheel in Path(folder).iterdir():
                package, version = wheel.name.split("-")[:2]
                requirement = f"{package.lower().replace('_', '-')}=={version}"
                hashes.setdefault(requirement, set()).add(hashlib.sha256(wheel.read_bytes()).hexdigest())
    lines = [
        " \\\n    ".join([requirement, *(f"--hash=sha256:{one}" for one in sorted(hashes[requirement]))])
        for requirement in sorted(hashes)
    ]
    head = f"# Made by packaging/lock_bundle.py for Python {', '.join(PYTHONS)} on x86_64; not to be edited.\n"
    (ROOT / "packaging" / name).write_text(head + "\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
