"""Debian packages of this checkout for the suite of a Slurm release: its Python, its Slurm headers, its C library.

Built in that suite's own folder (`image.root_folder`) by `make deb`, as a site does it there. What needs a network is
fetched outside, held against the hashes in packaging/bundle.txt, and handed in. Needs root.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from deploy.components.fetch import run
from deploy.sandbox import CHECKOUT
from deploy.vm.image import root_folder

BROWSER_PART = "daemon/slurmlens/hub/web/static/vendor"
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux2014_x86_64")
BUILD_FOLDER = "root/slurmlens"


def build(release: str, into: Path) -> None:
    """Put the packages for that release's suite into a folder; raises MachineLacks where one cannot be built."""
    root = root_folder(release)
    place = root / BUILD_FOLDER
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    with ExitStack() as left:
        left.callback(shutil.rmtree, place)
        _copy_sources(place)
        _fetch_wheels(place / "build/wheels", _python_version(root))
        left.callback(run, ["umount", str(root / "proc")], cwd=root)
        run(["mount", "-t", "proc", "proc", str(root / "proc")], cwd=root)
        date_s = subprocess.check_output(["git", "log", "-1", "--format=%ct"], cwd=CHECKOUT, text=True).strip()
        environment = {"SOURCE_DATE_EPOCH": date_s, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        run(["chroot", str(root), "make", "-s", "-C", f"/{BUILD_FOLDER}", "deb"], cwd=root, env=environment)
        into.mkdir(parents=True, exist_ok=True)
        for package in (place / "dist").glob("*.deb"):
            shutil.copy(package, into)


def _copy_sources(place: Path) -> None:
    """The files of the checkout that git knows, as they are now, and the browser part."""
    listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=CHECKOUT).split(b"\0")
    names = [name.decode() for name in listed if name and (CHECKOUT / name.decode()).exists()]
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CHECKOUT / name, place / name, follow_symlinks=False)
    shutil.copytree(CHECKOUT / BROWSER_PART, place / BROWSER_PART)


def _python_version(root: Path) -> str:
    """As `3.13`: what that suite calls python3."""
    return (root / "usr/bin/python3").readlink().name.removeprefix("python")


def _fetch_wheels(folder: Path, python_version: str) -> None:
    """What `make wheels` does, for a Python that is not the one that runs here."""
    chosen = ["--only-binary=:all:", "--implementation=cp", f"--python-version={python_version}", "--require-hashes"]
    platforms = [f"--platform={platform}" for platform in PLATFORMS]
    for name in ("build", "bundle"):
        packages = ["-d", str(folder), "-r", str(CHECKOUT / f"packaging/{name}.txt")]
        run([sys.executable, "-m", "pip", "download", "-q", *chosen, *platforms, *packages], cwd=CHECKOUT)
    (folder / ".complete").touch()


def main() -> None:
    """`python -m deploy.vm.packages RELEASE…`: into dist/RELEASE each."""
    for release in sys.argv[1:]:
        build(release, CHECKOUT / "dist" / release)


if __name__ == "__main__":
    main()
