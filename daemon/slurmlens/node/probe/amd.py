"""AMD's GPUs by amdgpu's sysfs, in the form that `nvidia` has (kernel: gpu/amdgpu/driver-misc and thermal).

A GPU that is asleep or resets answers with an error, or not at all: so it is read in `slurmlens-probe`. Which processes
use it stands in `/proc/PID/fdinfo` of others, which the daemon may not read: there are none here.
"""

import os
from collections.abc import Iterator
from typing import Any

FOLDER = "sys/class/drm"
_AMD = "0x1002"
_DEVICE_FILES = {
    "gpu_busy_percent": ("utilisation_ratio", 0.01),
    "mem_busy_percent": ("memory_busy_ratio", 0.01),
    "mem_info_vram_used": ("memory_used_bytes", 1),
    "mem_info_vram_total": ("memory_total_bytes", 1),
    "pcie_replay_count": ("pcie_replays_count", 1),
}
_SENSOR_FILES = {
    "power1_average": ("power_watts", 1e-6),
    "temp1_input": ("temperature_celsius", 1e-3),
    "freq1_input": ("clock_hertz", 1),
}


def read(root: str) -> list[dict[str, Any]]:
    """All of them that are on this machine."""
    folder = os.path.join(root, FOLDER)
    cards = [name for name in _names(folder) if name.startswith("card") and name[4:].isdecimal()]
    return [_gpu(os.path.join(folder, card, "device"), int(card[4:])) for card in cards if _is_amd(folder, card)]


def _is_amd(folder: str, card: str) -> bool:
    return _text(os.path.join(folder, card, "device/vendor")) == _AMD


def _gpu(device: str, number: int) -> dict[str, Any]:
    pci = next((line[14:] for line in _text(f"{device}/uevent").splitlines() if line.startswith("PCI_SLOT_NAME=")), "")
    figures = dict(_figures(device, _DEVICE_FILES))
    for sensor in _names(f"{device}/hwmon"):
        figures.update(_figures(f"{device}/hwmon/{sensor}", _SENSOR_FILES))
    corrected, uncorrected = _ras_errors(device)
    if corrected is not None:
        figures |= {"ecc_corrected_count": corrected, "ecc_uncorrected_count": uncorrected}
    return {
        "uuid": _text(f"{device}/unique_id") or pci,
        "pci": pci,
        "minor": _render_minor(device, number),
        "model": _text(f"{device}/product_name"),
        "part_of": "",
        **figures,
        "problem": "" if "utilisation_ratio" in figures else "it does not answer",
        "processes": [],
    }


def _figures(folder: str, files: dict[str, tuple[str, float]]) -> Iterator[tuple[str, float]]:
    for file, (name, scale) in files.items():
        try:
            value = int(_text(f"{folder}/{file}"))
        except ValueError:
            continue
        if 0 <= value < 2**63:
            yield name, value * scale


def _ras_errors(device: str) -> tuple[int | None, int]:
    """Corrected and uncorrected memory errors of all blocks: files of `ue: 0` and `ce: 2`."""
    corrected: int | None = None
    uncorrected = 0
    for file in _names(f"{device}/ras"):
        if file.endswith("_err_count"):
            for line in _text(f"{device}/ras/{file}").splitlines():
                kind, _, count = line.partition(":")
                if count.strip().isdecimal():
                    corrected = (corrected or 0) + (int(count) if kind == "ce" else 0)
                    uncorrected += int(count) if kind == "ue" else 0
    return corrected, uncorrected


def _render_minor(device: str, number: int) -> int:
    """The number of /dev/dri/renderD128 and so on: what a devices cgroup names; the card's own where there is none."""
    for name in _names(f"{device}/drm"):
        if name.startswith("renderD") and name[7:].isdecimal():
            return int(name[7:])
    return number


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
