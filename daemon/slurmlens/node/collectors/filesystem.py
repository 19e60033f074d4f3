"""File systems: how full, of bytes and of inodes, writable or not, and whether they answer.

Local ones are asked here (statvfs(3)). A network's can hang for ever, so `slurmlens-probe` asks them in a process of
its own (`node.probe`), and `look.remote` has what it was told: None of one that hangs. Each device is told once, at the
mount point of its root where it has one (proc_pid_mountinfo(5)).
"""

from collections.abc import Iterator
from typing import NamedTuple

from slurmlens.node.collectors.files import FileSystemSpace
from slurmlens.node.collectors.look import MachineLook, Sample

MOUNTS = "proc/self/mountinfo"
LOCAL = frozenset(("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs", "reiserfs", "bcachefs"))
IN_MEMORY = frozenset(("/dev/shm", "/tmp"))  # noqa: S108  # looked at, never written to
"""Of tmpfs, those that jobs fill."""

_REMOTE = frozenset(
    "nfs nfs4 lustre cifs smb3 ceph gpfs beegfs afs orangefs pvfs2 panfs wekafs 9p".split()  # noqa: SIM905
)


class Mount(NamedTuple):
    """One mounted file system."""

    point: str
    type: str
    is_read_only: bool
    is_behind_remote: bool = False
    """A local one, mounted below a network's: the way there leads over the server."""

    @property
    def is_remote(self) -> bool:
        """Whether somebody else must answer."""
        return self.type in _REMOTE or self.type.startswith("fuse") or self.is_behind_remote


def mounts(text: str) -> list[Mount]:
    """The mounts of a `mountinfo` that hold files of people, each device once."""
    found: dict[str, tuple[bool, Mount]] = {}
    covered: dict[str, str] = {}
    for line in text.splitlines():
        words = line.split()
        if "-" not in words or words.index("-") + 3 > len(words):
            continue
        dash = words.index("-")
        point, type_ = _unescaped(words[4]), words[dash + 1]
        mount = Mount(point, type_, "ro" in words[5].split(",") or "ro" in words[-1].split(","))
        if type_ in LOCAL or mount.is_remote or (type_ == "tmpfs" and point in IN_MEMORY):
            is_whole = words[3] == "/"
            found.pop(covered.get(point, ""), None)  # what is mounted over another hides it
            covered[point] = words[2]
            known = found.get(words[2])
            if known is None or (is_whole and not known[0]):
                found[words[2]] = (is_whole, mount)
    told = sorted(mount for _, mount in found.values())
    remote = {mount.point for mount in told if mount.is_remote}
    return [mount._replace(is_behind_remote=not remote.isdisjoint(_above(mount.point))) for mount in told]


def _above(point: str) -> Iterator[str]:
    """The folders that lead to a mount point; not the root, without which nothing runs."""
    while point := point.rpartition("/")[0]:
        yield point


def read(look: MachineLook) -> Iterator[Sample]:
    """See `look`."""
    for mount in mounts(look.files.text(MOUNTS) or ""):
        if mount.is_remote:
            if mount.point not in look.remote:
                continue
            space = look.remote[mount.point]
            yield Sample("hangs_count", mount.point, float(space is None))
        else:
            space = look.files.space(mount.point)
        if space is not None:
            yield from _of_mount(mount, space)


def _of_mount(mount: Mount, space: FileSystemSpace) -> Iterator[Sample]:
    yield Sample("read_only_count", mount.point, float(mount.is_read_only))
    if space.size_bytes:
        yield Sample("size_bytes", mount.point, space.size_bytes)
        yield Sample("available_bytes", mount.point, space.available_bytes)
    if space.used_bytes + space.available_bytes:  # as df(1): what root alone may still write is neither
        yield Sample("used_ratio", mount.point, space.used_bytes / (space.used_bytes + space.available_bytes))
    if space.files:
        yield Sample("files_used_ratio", mount.point, 1 - space.files_free / space.files)


def _unescaped(text: str) -> str:
    """Spaces, tabs, line ends and backslashes are written in octal, as \\040."""
    for octal, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(octal, character)
    return text
