"""Unix users and groups of this machine, which are those of the cluster: the one place that asks NSS for people.

Each call may block for as long as LDAP or sssd takes: call from a thread. "No such user" is a value.
"""

from __future__ import annotations

import grp
import os
import pwd
from typing import Protocol


class UnixUsers(Protocol):
    """Asked for names; tests hand in people of their own."""

    def name_of(self, uid: int) -> str | None:
        """The user's name; None where there is none with this number."""

    def is_user(self, name: str) -> bool:
        """Whether there is an ordinary user of this name, who is not root."""

    def groups_of(self, name: str) -> frozenset[str]:
        """The names of all groups of a user; none for a user who is not there."""


class MachineUsers:
    """NSS."""

    def name_of(self, uid: int) -> str | None:
        """The user's name; None where there is none with this number."""
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return None

    def is_user(self, name: str) -> bool:
        """Whether there is an ordinary user of this name, who is not root."""
        try:
            found = pwd.getpwnam(name)
        except (KeyError, ValueError):
            return False
        return found.pw_name == name and found.pw_uid != 0

    def groups_of(self, name: str) -> frozenset[str]:
        """The names of all groups of a user; none for a user who is not there."""
        try:
            gids = os.getgrouplist(name, pwd.getpwnam(name).pw_gid)
        except (KeyError, ValueError):
            return frozenset()
        return frozenset(group for gid in gids if (group := _group_name(gid)) is not None)


def _group_name(gid: int) -> str | None:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return None
