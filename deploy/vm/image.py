"""The disk of a virtual machine: one Debian suite with systemd, Slurm, munge and a kernel, made once by debootstrap.

Owns what is in the image: packages, the way in (a key for root's ssh), the network, and nothing of slurmlens, which the
tests install with the package manager as a site does. The cache has its parts: disk.img, vmlinuz, initrd.img and
id_ed25519. Needs root, for debootstrap does.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from deploy.cache import cache_root, cached_folder
from deploy.components.fetch import key, mirror, run
from deploy.errors import MachineLacks

SUITES = {"22.05": "bookworm", "24.11": "trixie", "26.05": "sid"}
"""Debian suite by the Slurm release that it has."""

PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "udev",
    "initramfs-tools",
    "linux-image-cloud-amd64",
    "openssh-server",
    "iproute2",
    "procps",
    "strace",
    "slurmctld",
    "slurmd",
    "slurm-client",
    "munge",
    "python3",
    "rpm",
)
DISK = "6G"  # sparse
ADDRESS = "10.0.2.15"
HOST_NAME = "vmnode"
# What the guest's kernel must find before it has its root file system.
EARLY_MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "ext4")
FILES = {
    "etc/hostname": f"{HOST_NAME}\n",
    "etc/hosts": f"127.0.0.1 localhost\n{ADDRESS} {HOST_NAME}\n",
    "etc/fstab": "/dev/vda / ext4 rw,noatime 0 1\n",
    "etc/systemd/network/10-guest.network": f"[Match]\nName=eth0\n\n[Network]\nAddress={ADDRESS}/24\n",
    # The journal of the boot before is what tests of a power cut read.
    "etc/systemd/journald.conf.d/kept.conf": "[Journal]\nStorage=persistent\nRateLimitIntervalSec=0\n",
}
UNITS_ON = ("systemd-networkd.service", "ssh.service", "munge.service")
UNITS_OFF = (
    "slurmctld.service",
    "slurmd.service",
    "systemd-networkd-wait-online.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
)


@dataclass(frozen=True)
class Image:
    """The files of one machine's image; none of them is ever written again."""

    folder: Path

    @property
    def disk(self) -> Path:
        return self.folder / "disk.img"

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd.img"

    @property
    def identity(self) -> Path:
        return self.folder / "id_ed25519"


def image(release: str) -> Image:
    """The image with Slurm of that release (a key of SUITES), made where it is not there yet: minutes, about 1 GB."""
    suite = SUITES[release]
    stated = repr((PACKAGES, FILES, UNITS_ON, UNITS_OFF, DISK))
    return Image(cached_folder(key(f"vm-{suite}", stated), lambda folder: _build(folder, suite)))


def root_folder(release: str) -> Path:
    """The same Debian as a folder with a compiler and Python's headers: packages for that release are built in it."""
    suite = SUITES[release]
    include = ("python3", "python3-venv", "python3-dev", "gcc", "libc6-dev", "make", "libffi-dev", "libslurm-dev")
    return cached_folder(key(f"root-{suite}", *include), lambda folder: _debootstrap(folder, suite, include))


def _build(folder: Path, suite: str) -> None:
    root = folder / "root"
    _debootstrap(root, suite, PACKAGES[:5])
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "id_ed25519")], cwd=folder)
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "etc/initramfs-tools/modules").write_text("".join(f"{name}\n" for name in EARLY_MODULES))
    authorized = root / "root/.ssh/authorized_keys"
    authorized.parent.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(folder / "id_ed25519.pub", authorized)
    _install_rest(root)
    for wanted, name in (("vmlinuz-*", "vmlinuz"), ("initrd.img-*", "initrd.img")):
        [found] = (root / "boot").glob(wanted)
        shutil.move(found, folder / name)
    for junk in [*root.glob("var/cache/apt/archives/*.deb"), *root.glob("var/cache/apt/*.bin")]:
        junk.unlink()
    run(["mke2fs", "-q", "-t", "ext4", "-d", str(root), "-L", "root", str(folder / "disk.img"), DISK], cwd=folder)
    shutil.rmtree(root)


def _debootstrap(root: Path, suite: str, include: tuple[str, ...]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    packages = cache_root() / "vm-packages"
    packages.mkdir(exist_ok=True)
    options = ["--variant=minbase", f"--cache-dir={packages}", f"--include={','.join(include)}"]
    run(["debootstrap", *options, suite, str(root), mirror()], cwd=root)


def _install_rest(root: Path) -> None:
    """The packages that debootstrap itself cannot set up, with /proc there and no service started."""
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    with ExitStack() as mounted:
        run(["mount", "-t", "proc", "proc", str(root / "proc")], cwd=root)
        mounted.callback(run, ["umount", str(root / "proc")], cwd=root)
        environment = {"DEBIAN_FRONTEND": "noninteractive"}
        chroot = ["chroot", str(root)]
        # A mirror that is behind serves sid with a date that has passed; its signature is checked all the same.
        run([*chroot, "apt-get", "-q", "-o", "Acquire::Check-Valid-Until=false", "update"], cwd=root, env=environment)
        options = ["-q", "--yes", "--no-install-recommends"]
        run([*chroot, "apt-get", "install", *options, *PACKAGES], cwd=root, env=environment)
        run([*chroot, "systemctl", "enable", *UNITS_ON], cwd=root)
        run([*chroot, "systemctl", "disable", *UNITS_OFF[:2]], cwd=root)
        run([*chroot, "systemctl", "mask", *UNITS_OFF[2:]], cwd=root)
    policy.unlink()


TOOLS = ("debootstrap", "e2fsprogs", "qemu-system-x86", "qemu-utils", "openssh-client")
"""What has the programs below: no part of the usual setup, since few need an image."""


def require() -> None:
    """Raises MachineLacks where this machine cannot make or boot an image."""
    for program in ("debootstrap", "mke2fs", "qemu-system-x86_64", "qemu-img", "ssh", "ssh-keygen"):
        if shutil.which(program) is None:
            raise MachineLacks(f"not installed: {program}; on Debian: apt-get install {' '.join(TOOLS)}")
