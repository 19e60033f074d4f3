"""Which kind of file system a place is on, and whether what is written there outlives a reboot.

Owns the names of kinds. Asked by the spool (`delivery.spool.disk`) and for the hub's database
(`hub.database.database_file`); reads the kernel's table of mounts and nothing else.
"""

from __future__ import annotations

import enum
import os
import re
from pathlib import Path

_MEMORY_KINDS = frozenset({"tmpfs", "ramfs", "rootfs", "devtmpfs", "hugetlbfs"})
_NETWORK_KINDS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "beegfs", "ceph", "9p", "afs", "glusterfs", "orangefs"}
    | {"pvfs2", "panfs", "gfs2", "ocfs2", "wekafs", "virtiofs", "coda", "ncpfs"}
)
_OCTAL = re.compile(rb"\\([0-7]{3})")


class Durability(enum.Enum):
    """What a place outlives: LASTING a reboot, VOLATILE none; on NETWORK a database may be damaged."""

    LASTING = "lasting"
    VOLATILE = "volatile"
    NETWORK = "network"


def durability_of(folder: Path, proc_root: Path = Path("/proc")) -> tuple[Durability, str]:
    """What the file system of `folder` (or of its nearest existing parent) is good for, and the kernel's name of it.

    A server that hangs holds nobody here: what lies below a network's mount by its name alone is not looked at. Format
    of mountinfo: proc_pid_mountinfo(5). Of an overlay the upper layer counts. Where nothing can be found out it
    is taken for a disk.
    """
    kind = kind_by_name(folder, proc_root)
    if is_of_network(kind):
        return Durability.NETWORK, kind
    path = folder.resolve()
    for _ in range(3):
        kind, options = _mount_of(path, proc_root)
        upper = re.search(r"(?:^|,)upperdir=([^,]+)", options) if kind == "overlay" else None
        if upper is None:
            break
        path = Path(upper.group(1))
    if kind in _MEMORY_KINDS:
        return Durability.VOLATILE, kind
    return Durability.NETWORK if is_of_network(kind) else Durability.LASTING, kind


def kind_by_name(path: Path, proc_root: Path = Path("/proc")) -> str:
    """The kernel's name of the file system that `path` is on; links are not followed, and no file system is asked."""
    return _mount_of(path.absolute(), proc_root)[0]


def is_of_network(kind: str) -> bool:
    """Whether a server must answer for a file system of that kind."""
    # sshfs, s3fs, gluster's client and their kind; some are local, but none can be told from the others.
    return kind in _NETWORK_KINDS or kind.startswith("fuse.")


def _mount_of(path: Path, proc_root: Path) -> tuple[str, str]:
    """Kind and options of the mount that `path` is on: the deepest, and of several on one place the last."""
    found, depth = ("unknown", ""), -1
    try:
        lines = (proc_root / "self" / "mountinfo").read_bytes().splitlines()
    except OSError:
        return found
    for line in lines:
        before, _, after = line.partition(b" - ")
        fields, kind = before.split(), after.split()
        if len(fields) < 5 or not kind:
            continue
        place = Path(os.fsdecode(_OCTAL.sub(lambda match: bytes([int(match.group(1), 8) & 0xFF]), fields[4])))
        if path.is_relative_to(place) and len(place.parts) >= depth:
            found, depth = (os.fsdecode(kind[0]), os.fsdecode(kind[-1])), len(place.parts)
    return found
