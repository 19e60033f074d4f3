"""Which GPUs Slurm gave to a job, as far as this node can know: never guessed.

Two sources. The job's *devices cgroup* (v1, `ConstrainDevices=yes`) names the devices by major and minor number, which
NVML and sysfs tell of a GPU. The *hook* has SLURM_JOB_GPUS: Slurm's own index of the GPU in gres.conf, which is the
order of PCI addresses with `AutoDetect` and that of the device files without; it is believed where both name the same
GPU. On v2 the kernel shows nobody what a job's device filter allows. None: not known, which is not the same as no GPU.

Reading files below a root; the rest pure. Used by `stage`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from slurmlens.events import GpuState

NVIDIA_MAJOR = 195
RENDER_MAJOR = 226
CGROUP, HOOK = "cgroup", "hook"


def by_devices(text: str, gpus: Sequence[GpuState]) -> frozenset[str] | None:
    """UUIDs of those that a job's `devices.list` allows (kernel: cgroup-v1/devices); None where it allows all."""
    allowed: set[tuple[int, int]] = set()
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        major, _, minor = rest.partition(" ")[0].partition(":")
        if kind == "a" or (kind == "c" and minor == "*" and major in ("*", str(NVIDIA_MAJOR), str(RENDER_MAJOR))):
            return None
        if kind == "c" and major.isdecimal() and minor.isdecimal():
            allowed.add((int(major), int(minor)))
    majors = (NVIDIA_MAJOR, RENDER_MAJOR)
    return frozenset(
        gpu.uuid for gpu in gpus if not gpu.part_of and any((major, gpu.minor) in allowed for major in majors)
    )


def by_numbers(told: str, gpus: Sequence[GpuState]) -> frozenset[str] | None:
    """UUIDs by Slurm's numbers, as `0,3` or `0-1,3`; None where one of them names two GPUs, or none, or an instance."""
    whole = sorted((gpu for gpu in gpus if not gpu.part_of), key=lambda gpu: gpu.pci)
    if any(gpu.is_split for gpu in whole):
        return None
    by_minor = {gpu.minor: gpu.uuid for gpu in whole}
    found: set[str] = set()
    for part in told.split(","):
        first, _, last = part.partition("-")
        if not (first.isdecimal() and (last or first).isdecimal()) or int(last or first) - int(first) > len(whole):
            return None
        for number in range(int(first), int(last or first) + 1):
            if number >= len(whole) or by_minor.get(number) != whole[number].uuid:
                return None
            found.add(whole[number].uuid)
    return frozenset(found)


class DevicesCgroups:
    """Where v1's devices cgroups of jobs are on this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def list_of(self, job_id: int) -> str | None:
        """The text of a job's `devices.list`; None on v2, and where Slurm constrains no devices."""
        try:
            mount = _devices_mount((self._root / "proc/mounts").read_text("utf-8", "replace"))
        except OSError:
            return None
        if mount is None:
            return None
        for path in (self._root / mount.lstrip("/")).glob(f"slurm*/uid_*/job_{job_id}/devices.list"):
            try:
                return path.read_text("ascii", "replace")
            except OSError:
                continue
        return None


def _devices_mount(mounts: str) -> str | None:
    """Where the v1 devices hierarchy is mounted, by the text of `/proc/mounts` (proc(5))."""
    for line in mounts.splitlines():
        words = line.split(" ")
        if len(words) > 3 and words[2] == "cgroup" and "devices" in words[3].split(","):
            return words[1]
    return None
