"""GPUs that are not there: the fake NVML, built once, and a file that says what it tells."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent / "fake_nvml" / "fake_nvml.c"
LIBRARY = "libnvidia-ml.so.1"


@dataclass
class ImaginaryGpus:
    """What the fake NVML tells; `tell` replaces it."""

    path: Path

    def tell(self, *lines: str) -> None:
        """One line each, as `fake_nvml.c` has them."""
        self.path.write_text("".join(f"{line}\n" for line in lines))


def gpu(
    number: int,
    *,
    busy: int = 0,
    used: int = 0,
    milliwatts: int = 60_000,
    throttles: int = 0,
    minor: int | None = None,
    corrected: int = 0,
    uncorrected: int = 0,
) -> str:
    """The line of GPU `number`, on the bus in that order."""
    pci = f"0000:{number + 1:02x}:00.0"
    at = number if minor is None else minor
    return f"gpu GPU-{number} {pci} {at} {busy} {used} 80000 {milliwatts} 40 1500 {throttles} {corrected} {uncorrected}"


def build(folder: Path) -> Path:
    """The folder of the built library; skips where there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    target = folder / LIBRARY
    if not target.exists():
        subprocess.run([compiler, "-shared", "-fPIC", "-Wall", "-Wextra", "-O1", "-o", target, SOURCE], check=True)
    return folder
