"""Cgroup trees of real Slurm nodes with a running job, recorded file by file (tests/fixtures/cgroup)."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path

from testkit.checkout import ROOT

FIXTURES = ROOT / "tests" / "fixtures" / "cgroup"


@dataclass(frozen=True)
class Recording:
    """`folder` is the recorded cgroup tree in the archive: `cgroup-io-pids` is the same job after `io` and `pids` were
    switched on below the scope."""

    name: str
    archive: str
    folder: str
    node: str
    key: str
    job_id: int
    sluid: str | None
    uid: int


RECORDINGS = (
    Recording("v1-22.05", "v1-slurm-22.05", "cgroup", "hvn0", "uid_0/job_1", 1, None, 0),
    Recording("v1-22.05-second-node", "v1-slurm-22.05", "cgroup", "hvn1", "uid_0/job_1", 1, None, 0),
    Recording("v2-22.05", "v2-slurm-22.05", "cgroup", "vmnode", "job_8", 8, None, 2000),
    Recording("v2-22.05-io-pids", "v2-slurm-22.05", "cgroup-io-pids", "vmnode", "job_8", 8, None, 2000),
    Recording("v2-26.05", "v2-slurm-26.05", "cgroup", "vmnode", "sAZNM81H9YSG00", 3, "sAZNM81H9YSG00", 2000),
    Recording(
        "v2-26.05-io-pids", "v2-slurm-26.05", "cgroup-io-pids", "vmnode", "sAZNM81H9YSG00", 3, "sAZNM81H9YSG00", 2000
    ),
)
RECORDING_BY_NAME = {recording.name: recording for recording in RECORDINGS}


def unpack(recording: Recording, target: Path) -> Path:
    """Makes a root folder that looks like the node's "/": `proc` and `sys/fs/cgroup` as they were. Returns it."""
    with tarfile.open(FIXTURES / f"cgroup-{recording.archive}.tar.xz") as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(target, filter="data")
        else:
            archive.extractall(target)
    root = target / recording.archive
    (root / "sys/fs").mkdir(parents=True)
    (root / "sys/fs/cgroup").symlink_to(root / recording.folder)
    return root
