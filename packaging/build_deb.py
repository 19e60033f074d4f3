"""Makes the Debian packages from what `make install` installed and from the same lists of files as the spec: files/*.

`%config(noreplace) PATH` in a list is a conffile of dpkg, `%dir PATH` an empty folder, patterns are the shell's. A file
that no list names, or that two lists name, ends the build. Maintainer scripts never fail and touch no job. What lintian
finds and is meant has its answer in lintian/*.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

HERE = Path(__file__).parent
MAINTAINER = "slurmlens <slurmlens@localhost>"


@dataclass(frozen=True)
class Package:
    """One binary package: its list of files, what it needs, what it says of itself."""

    files: str
    name: str
    needs: str
    summary: str
    unit: str = ""


SLURM_VERSION = Path("/usr/include/slurm/slurm_version.h")

PACKAGES = (
    Package(
        "base",
        "slurmlens",
        "python3 (>= {python}), python3 (<< {next_python}), libc6, libmunge2",
        "command line and libraries",
    ),
    Package("hooks", "slurmlens-hooks", "slurmlens (= {version})", "Prolog and Epilog for Slurm"),
    Package(
        "spank",
        "slurmlens-spank",
        "slurmlens-hooks (= {version}), libc6, slurmd (>= {slurm}), slurmd (<< {next_slurm})",
        "SPANK plugin for one Slurm release",
    ),
    Package(
        "node",
        "slurmlens-node",
        "slurmlens (= {version}), python3",
        "daemon of a compute node",
        "slurmlens-node.service",
    ),
    Package("hub", "slurmlens-hub", "slurmlens (= {version}), python3", "the cluster's hub", "slurmlens-hub.service"),
    Package(
        "relay",
        "slurmlens-relay",
        "slurmlens (= {version}), python3",
        "relay between nodes and hub",
        "slurmlens-relay.service",
    ),
)


class UnlistedFiles(Exception):
    """The lists and what was installed do not agree."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Debian packages from an installed tree.")
    parser.add_argument("--version", required=True)
    parser.add_argument("--maintainer", default=MAINTAINER)
    parser.add_argument("--date-s", type=int, default=0, help="time of the release, seconds since 1970")
    for name in ("installed", "work", "into"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    options.into.mkdir(parents=True, exist_ok=True)
    left = {path for path in options.installed.rglob("*") if not path.is_dir() or path.is_symlink()}
    for package in PACKAGES:
        if package.files == "spank" and not SLURM_VERSION.exists():
            continue  # nothing was built: there are no headers to build against
        root = options.work / package.name
        moved, conffiles = fill(root, options.installed, package.files)
        if moved - left:
            raise UnlistedFiles(f"in two lists: {sorted(moved - left)[:5]}")
        left -= moved
        document(root, package, options)
        control(root, package, options, conffiles)
        target = options.into / f"{package.name}_{options.version}_{architecture()}.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(root), str(target)], check=True)
    if left:
        raise UnlistedFiles(f"in no list: {sorted(map(str, left))[:5]}")
    return 0


def fill(root: Path, installed: Path, files: str) -> tuple[set[Path], list[str]]:
    """Copy what the list names; returns which files those are, and which of them a site edits."""
    moved: set[Path] = set()
    conffiles: list[str] = []
    for line in (HERE / "files" / files).read_text().split("\n"):
        mark, _, pattern = line.rpartition(" ")
        if mark == "%dir":
            (root / pattern[1:]).mkdir(parents=True, exist_ok=True)
            continue
        found = sorted(installed.glob(pattern[1:])) if pattern else []
        if pattern and not found:
            raise UnlistedFiles(f"files/{files} names {pattern}, which was not installed")
        for path in found:
            target = root / path.relative_to(installed)
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, target, symlinks=True)
                moved |= {one for one in path.rglob("*") if not one.is_dir() or one.is_symlink()}
            else:
                shutil.copy2(path, target, follow_symlinks=False)
                moved.add(path)
            if mark.startswith("%config"):
                conffiles.append(f"/{path.relative_to(installed)}")
    return moved, conffiles


def document(root: Path, package: Package, options: argparse.Namespace) -> None:
    """What Debian wants to be told in each package: rights, changes, and the answers to lintian."""
    folder = root / "usr/share/doc" / package.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "copyright").write_text((HERE.parent / "LICENSE").read_text())
    entry = (
        f"slurmlens ({options.version}) unstable; urgency=medium\n\n"
        "  * What has changed for those who use it stands in CHANGELOG.md.\n\n"
        f" -- {options.maintainer}  {formatdate(options.date_s)}\n"
    )
    (folder / "changelog.gz").write_bytes(gzip.compress(entry.encode(), mtime=0))
    overrides = root / "usr/share/lintian/overrides" / package.name
    overrides.parent.mkdir(parents=True, exist_ok=True)
    answers = [HERE / "lintian" / name for name in ("all", package.files)]
    text = "".join(one.read_text() for one in answers if one.exists())
    overrides.write_text(text.replace("@PACKAGE@", package.name))


def control(root: Path, package: Package, options: argparse.Namespace, conffiles: list[str]) -> None:
    """The DEBIAN folder: control, conffiles, md5sums and the scripts."""
    debian = root / "DEBIAN"
    debian.mkdir()
    major, minor = sys.version_info[:2]
    slurm, next_slurm = slurm_release() if "{slurm}" in package.needs else ("", "")
    needs = package.needs.format(
        version=options.version,
        python=f"{major}.{minor}",
        next_python=f"{major}.{minor + 1}",
        slurm=slurm,
        next_slurm=next_slurm,
    )
    size_kib = sum(path.lstat().st_size for path in root.rglob("*") if path.is_file()) // 1024
    (debian / "control").write_text(
        f"Package: {package.name}\nVersion: {options.version}\nArchitecture: {architecture()}\n"
        f"Maintainer: {options.maintainer}\n"
        f"Section: admin\nPriority: optional\nInstalled-Size: {size_kib}\nDepends: {needs}\n"
        f"Description: shows every Slurm job whole: {package.summary}\n"
        " Metrics of cgroups, events of Slurm's hooks and the scheduler's records,\n joined for each job.\n"
    )
    if conffiles:
        (debian / "conffiles").write_text("".join(f"{name}\n" for name in conffiles))
    files = sorted(
        path for path in root.rglob("*") if path.is_file() and not path.is_symlink() and debian not in path.parents
    )
    (debian / "md5sums").write_text(
        "".join(f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n" for path in files)  # noqa: S324
    )
    kind = "service" if package.unit else package.files
    for script in sorted((HERE / "scriptlets").glob(f"{kind}.*")):
        target = debian / script.suffix[1:]
        target.write_text("#!/bin/sh\n" + script.read_text().replace("@UNIT@", package.unit))
        target.chmod(0o755)


def slurm_release() -> tuple[str, str]:
    """The release of the headers, `22.05`, and what is beyond it: a plugin is refused by any other."""
    found = re.search(r"SLURM_VERSION_NUMBER\s+0x([0-9a-f]{2})([0-9a-f]{2})[0-9a-f]{2}\b", SLURM_VERSION.read_text())
    if found is None:
        raise UnlistedFiles(f"{SLURM_VERSION} names no release")
    year, month = (int(part, 16) for part in found.groups())
    return f"{year}.{month:02}", f"{year}.{month + 1:02}"


def architecture() -> str:
    return subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
