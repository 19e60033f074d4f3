"""Installs the Debian packages that setup, tests, demo and bench need: `python3 -m deploy.install`.

`--containers` adds what the stack in containers needs, `--list` names packages and installs none.

Starts and enables no service of the machine: a policy-rc.d forbids it while apt runs, what a package enables for the
next boot is disabled again, and what was enabled before stays so. Quick and silent when everything is there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from deploy.errors import DeployError, MachineLacks

PACKAGES: dict[str, tuple[str, ...]] = {
    "the small Slurm": (
        "munge",
        "slurmctld",
        "slurmd",
        "slurmdbd",
        "slurm-client",
        "slurm-wlm-mysql-plugin",
        "mariadb-server",
    ),
    "namespaces and workloads": ("util-linux", "mount", "procps", "rsync", "mpich", "libmpich-dev"),
    "building": ("gcc", "make", "libc6-dev", "libmunge-dev", "libslurm-dev", "python3", "python3-dev", "python3-venv"),
    "clients in jobs": ("g++", "gfortran"),
    "graphite-web": ("libcairo2",),
    "tests and bench": (
        "chromium",
        "collectd-core",
        "strace",
        "faketime",
        "iproute2",
        "systemd",
        "openssl",
        "groff-base",
        "libpangoft2-1.0-0",
    ),
}
# What `make components` installs on top: the demo does without.
COMPONENT_PACKAGES = ("ca-certificates", "default-jdk-headless", "maven", "carbon-c-relay", "postgresql", "rsyslog")
# What `make test-slow` installs on top (`--containers`): the stack in containers, its base made by debootstrap.
CONTAINER_PACKAGES = ("podman", "podman-compose", "runc", "netavark", "aardvark-dns", "iptables", "debootstrap")
NPM_PACKAGES = ("nodejs", "npm")  # only where no npm is on PATH: some machines have it from elsewhere
POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_SAVED = Path("/usr/sbin/policy-rc.d.slurmlens-saved")
POLICY_TEXT = "#!/bin/sh\n# slurmlens: while packages are installed no service starts; removed afterwards.\nexit 101\n"
ENABLED_PATTERNS = ("systemd/system/*.wants/*", "rc[S2345].d/S*")


def wanted() -> list[str]:
    """Names of all packages that this machine should have."""
    names = [name for group in PACKAGES.values() for name in group]
    return names if shutil.which("npm") else [*names, *NPM_PACKAGES]


def missing(names: Sequence[str]) -> list[str]:
    """Those of the packages that are not installed."""
    query = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\\n", *names]
    try:
        said = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError as error:
        raise MachineLacks("this is no Debian: there is no dpkg-query. Install by hand what `--list` names") from error
    installed = {line.split()[0] for line in said.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in installed]


def install(names: Sequence[str]) -> None:
    """Installs the packages with no service started or enabled; raises DeployError with apt's words."""
    if os.geteuid() != 0:
        raise MachineLacks(f"not installed: {' '.join(names)}; run as root, or install them yourself")
    before = enabled_services()
    with no_service_starts():
        _apt("update", "-q")
        _apt("install", "-q", "--yes", "--no-install-recommends", *names)
    for path in sorted(enabled_services() - before):
        disable(path)


@contextlib.contextmanager
def no_service_starts(policy: Path = POLICY, saved: Path = POLICY_SAVED) -> Iterator[None]:
    """A policy-rc.d that forbids service starts; the machine's own one, if any, is put back.

    Killed in between, it is put right by the next run: a saved original is never overwritten.
    """
    if policy.exists() and policy.read_text() != POLICY_TEXT:
        policy.rename(saved)
    policy.write_text(POLICY_TEXT)
    policy.chmod(0o755)
    try:
        yield
    finally:
        restore_policy(policy, saved)


def restore_policy(policy: Path = POLICY, saved: Path = POLICY_SAVED) -> None:
    """Removes our policy-rc.d and puts the machine's own one back."""
    if policy.exists() and policy.read_text() == POLICY_TEXT:
        policy.unlink()
    if saved.exists():
        saved.rename(policy)


def enabled_services(etc: Path = Path("/etc")) -> frozenset[Path]:
    """The links by which systemd and SysV start services at boot."""
    return frozenset(path for pattern in ENABLED_PATTERNS for path in etc.glob(pattern) if path.is_symlink())


def disable(path: Path) -> None:
    """Takes one such link back, through Debian's own tool so that a later upgrade respects it."""
    if path.suffix == ".service":
        subprocess.run(["deb-systemd-helper", "disable", path.name], check=False, capture_output=True)
    elif path.parent.name.startswith("rc"):
        subprocess.run(["update-rc.d", path.name[3:], "disable"], check=False, capture_output=True)
    if path.is_symlink() and path.suffix == ".service":
        path.unlink()


def _apt(*argv: str) -> None:
    command = ["apt-get", "-o", "DPkg::Lock::Timeout=300", *argv]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise DeployError(f"`{' '.join(command)}` ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    names = [*wanted(), *(CONTAINER_PACKAGES if "--containers" in sys.argv[1:] else ())]
    if "--list" in sys.argv[1:]:
        print("\n".join([*names, *COMPONENT_PACKAGES]))
        return 0
    try:
        restore_policy()
        lacking = missing(names)
        if lacking:
            print(f"installing {len(lacking)} Debian packages, no service is started: {' '.join(lacking)}", flush=True)
            install(lacking)
    except DeployError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
