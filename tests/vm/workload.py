"""Runs inside a job in the virtual machine: burns what it is asked to, then writes what its cgroup's own files say.

What it writes is what the page of the job is held against: read by nobody but this program, from the kernel's files, a
moment before it ends. It knows nothing of slurmlens. Arguments: seconds of CPU, MiB of memory, MiB to write to a disk.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

OUT = Path("/var/tmp/vmjobs")


def main(cpu_s: float, memory_mib: int, disk_mib: int) -> None:
    """Burn, then report the job's folder and the step's."""
    held = bytearray(os.urandom(1 << 20) * memory_mib)
    if disk_mib:
        write(disk_mib)
    while time.process_time() < cpu_s:
        pass
    step = step_folder()
    names = {"kind": os.environ.get("VMKIND", ""), "job_id": os.environ["SLURM_JOB_ID"]}
    step_id = os.environ.get("SLURM_STEP_ID", "batch")
    if step.name == "step_batch":
        step_id = "batch"
    seen = {"burned_cpu_s": time.process_time(), "held_bytes": len(held), "disk_bytes": disk_mib << 20}
    name = f"{names['job_id']}.{step_id}.{os.getpid()}.json"
    folders = {"job": counters(step.parent), "step": counters(step / "user"), "path": str(step)}
    text = json.dumps({**names, "step_id": step_id, **seen, **folders})
    (OUT / name).write_text(text)


def write(disk_mib: int) -> None:
    """To the root file system, past its cache."""
    path = OUT / f"data.{os.getpid()}"
    with path.open("wb") as file:
        for _ in range(disk_mib):
            file.write(os.urandom(1 << 20))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()


def step_folder() -> Path:
    """`…/job_N/step_M` of this process."""
    path = Path("/sys/fs/cgroup") / Path("/proc/self/cgroup").read_text().strip().rpartition("::/")[2]
    return next(one for one in (path, *path.parents) if one.name.startswith("step_"))


def counters(folder: Path) -> dict[str, float | None]:
    """What stands there now; None for a file that is not there."""
    return {
        "cpu_s": key_of(folder / "cpu.stat", "usage_usec", 1e-6),
        "memory_peak_bytes": number_in(folder / "memory.peak"),
        "oom_kills": key_of(folder / "memory.events", "oom_kill", 1),
        "written_bytes": written(folder / "io.stat"),
        "pids": number_in(folder / "pids.current"),
        "cpu_pressure_s": key_of(folder / "cpu.pressure", "total", 1e-6),
    }


def key_of(path: Path, key: str, scale: float) -> float | None:
    """The first number that stands behind a key, as `key N` or `key=N`."""
    if not path.exists():
        return None
    words = path.read_text().replace("=", " ").split()
    return float(words[words.index(key) + 1]) * scale if key in words else 0.0


def number_in(path: Path) -> float | None:
    return float(path.read_text()) if path.exists() else None


def written(path: Path) -> float | None:
    """Bytes written to all devices."""
    if not path.exists():
        return None
    return sum(float(word[7:]) for word in path.read_text().split() if word.startswith("wbytes="))


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    main(float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
