"""Getting programs into the cache: a wrapper module built with Go, a package of another Debian suite unpacked.

Whatever cannot be had (no tool, no network, a version that is gone) is MachineLacks with the failing command's words:
tests skip with it. Registries are asked through their own clients, as the machine has them set up.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.cache import cache_root, cached_folder
from deploy.errors import MachineLacks

MODULES = Path(__file__).with_name("modules")
# The oldest Go that all modules allow; Debian 12 has 1.19, so a machine without a newer one gets that of Debian 13.
GO_MINIMUM = (1, 24)
GO_PACKAGES = ("golang-1.24-go", "golang-1.24-src")
GO_SUITE, GO_ROOT = "trixie", "usr/lib/go-1.24"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Of the index only what names packages: no descriptions, no icons.
APT_LEAN = ("-o", "Acquire::Languages=none", "-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false")


def key(name: str, *pinned: Path | str) -> str:
    """A cache key that changes with the pinned files and words."""
    parts = [item.read_bytes() if isinstance(item, Path) else item.encode() for item in pinned]
    return f"{name}-{hashlib.sha256(bytes(1).join(parts)).hexdigest()[:12]}"


def go_program(name: str, package: str = ".") -> Path:
    """The program that the module in modules/<name> builds, or that its pinned dependency `package` is."""
    module = MODULES / name
    sources = sorted(path for path in module.iterdir() if path.is_file())

    def build(folder: Path) -> None:
        modules = folder / "modules"
        caches = {"GOMODCACHE": str(modules), "GOCACHE": str(cache_root() / "go-build")}
        settings = {"GOFLAGS": "-buildvcs=false -mod=readonly -modcacherw", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
        argv = [str(go()), "build", "-trimpath", "-ldflags", "-s -w", "-o", str(folder / name), package]
        run(argv, cwd=module, env={**caches, **settings})
        shutil.rmtree(modules)  # a gigabyte

    return cached_folder(key(name, *sources), build) / name


def maven_libraries(name: str, pom: Path) -> Path:
    """The folder with the jars that a pom names, and with all that they need."""

    def fetch(folder: Path) -> None:
        repository = folder / "repository"
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}/lib"]
        run(["mvn", "-B", "-ntp", "-q", f"-f={pom}", f"-Dmaven.repo.local={repository}", *goal], cwd=folder)
        shutil.rmtree(repository)

    return cached_folder(key(name, pom), fetch) / "lib"


def go() -> Path:
    """The machine's Go if it is new enough, else Debian's, unpacked into the cache."""
    found = shutil.which("go")
    if found and _go_version(found) >= GO_MINIMUM:
        return Path(found)
    return debian_packages("golang", GO_SUITE, GO_PACKAGES) / GO_ROOT / "bin/go"


def _go_version(program: str) -> tuple[int, ...]:
    said = subprocess.run([program, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"go(\d+)\.(\d+)", said)
    return (int(version[1]), int(version[2])) if version else (0,)


def debian_packages(name: str, suite: str, packages: Sequence[str]) -> Path:
    """Packages of any Debian suite unpacked into the cache: nothing is installed, the machine's own lists stay."""
    return cached_folder(key(name, suite, *packages), lambda folder: _unpack(folder, suite, packages))


def _unpack(folder: Path, suite: str, packages: Sequence[str]) -> None:
    apt = folder / "apt"
    for part in ("lists/partial", "cache/archives/partial", "parts"):
        (apt / part).mkdir(parents=True)
    (apt / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror()} {suite} main\n")
    places = {"Etc::sourcelist": "sources.list", "Etc::sourceparts": "parts", "State::lists": "lists", "Cache": "cache"}
    options = [f"-oDir::{where}={apt / part}" for where, part in places.items()]
    # As root apt would ask as user _apt, who may not see our folders.
    command = ["apt-get", "-q", "-oAPT::Sandbox::User=root", *APT_LEAN, *options]
    run([*command, "update"], cwd=apt)
    run([*command, "download", *packages], cwd=apt)
    for package in sorted(apt.glob("*.deb")):
        run(["dpkg-deb", "-x", str(package), str(folder)], cwd=apt)
    shutil.rmtree(apt)


def mirror() -> str:
    """Where this machine has its Debian from, in apt's own words."""
    argv = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian"]
    found = [line for line in run(argv, cwd=Path("/")).splitlines() if "security" not in line]
    if not found:
        raise MachineLacks("apt knows no Debian mirror: run `apt-get update`")
    return found[0]


def run(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Runs a program of the machine to its end and returns what it printed; MachineLacks says why it failed."""
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        raise MachineLacks(f"not installed: {argv[0]} (`make components` installs what is needed)") from error
    if done.returncode != 0:
        said = (done.stderr + done.stdout).strip()[-2000:]
        raise MachineLacks(f"`{' '.join(argv)}` ended with {done.returncode}: {said}")
    return done.stdout
