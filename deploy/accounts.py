"""The demo cluster's users and groups, and private copies of /etc/passwd and /etc/group that know them.

Pure: text in, text out. `sandbox.py` puts the copies over the originals inside its mount namespace; the host's own
files are never written.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class User:
    """One user with a primary group of the same name and number."""

    name: str
    uid: int
    group: str = ""  # supplementary group, also the user's Slurm account


@dataclass(frozen=True)
class Group:
    """A supplementary group; its members come from the users."""

    name: str
    gid: int


GROUPS = (Group("clusers", 3000), Group("guests", 4000))
USERS = (
    User("alice", 3001, "clusers"),
    User("bob", 3002, "clusers"),
    User("carol", 3003, "clusers"),
    User("dave", 3004, "clusers"),
    User("eve", 3005, "clusers"),
    User("john", 4001, "guests"),
    User("jane", 4002, "guests"),
)
# What the services run as. Slurm, munge and MariaDB bring theirs with their Debian packages.
# System users, as packages make them: who listens at an abstract name of a socket must be no ordinary user.
SERVICE_USERS = (User("slurmlens", 980), User("graphite", 981))


def passwd(original: str, home: str) -> str:
    """The host's passwd text with the demo's users in place of any of the same name or number."""
    lines = [f"{user.name}:x:{user.uid}:{user.uid}:{user.name}:{home}/{user.name}:/bin/bash" for user in USERS]
    lines += [
        f"{user.name}:x:{user.uid}:{user.uid}:{user.name}:/nonexistent:/usr/sbin/nologin" for user in SERVICE_USERS
    ]
    everyone = (*USERS, *SERVICE_USERS)
    return _merged(original, lines, {user.name for user in everyone}, {user.uid for user in everyone})


def group(original: str) -> str:
    """The host's group text with the demo's groups in place of any of the same name or number."""
    everyone = (*USERS, *SERVICE_USERS)
    lines = [f"{user.name}:x:{user.uid}:" for user in everyone]
    for each in GROUPS:
        members = ",".join(user.name for user in USERS if user.group == each.name)
        lines.append(f"{each.name}:x:{each.gid}:{members}")
    names = {user.name for user in everyone} | {each.name for each in GROUPS}
    numbers = {user.uid for user in everyone} | {each.gid for each in GROUPS}
    return _merged(original, lines, names, numbers)


def _passwd_line(user: User, home_and_shell: str) -> str:
    return f"{user.name}:x:{user.uid}:{user.uid}:{user.name}:{home_and_shell}"


def _merged(original: str, added: Iterable[str], names: set[str], numbers: set[int]) -> str:
    kept = [line for line in original.splitlines() if line and not _clashes(line, names, numbers)]
    return "\n".join([*kept, *added]) + "\n"


def _clashes(line: str, names: set[str], numbers: set[int]) -> bool:
    fields = line.split(":")
    number = fields[2] if len(fields) > 2 else ""
    return fields[0] in names or (number.isdecimal() and int(number) in numbers)
