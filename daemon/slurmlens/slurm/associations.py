"""Accounts and their people out of `sacctmgr`: members by associations, coordinators with all accounts below theirs.

Owns what two tables of `sacctmgr --parsable2 --noheader` mean (no release before 23.02 writes them as JSON). Pure.
Lines of another number of fields are left out and counted; a tree of accounts that has a loop is walked once. Fed by
`source.CommandSource.account_people`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from slurmlens.slurm.pieces import Pieces, text_lines

ASSOCIATION_FIELDS = ("account", "parentname", "user")
COORDINATOR_FIELDS = ("account", "coordinators")
_SEPARATOR = "|"
_LONGEST_NAME = 255


class AccountPerson(NamedTuple):
    """A user of an account, or its coordinator, or both in two of them."""

    user: str
    account: str
    is_coordinator: bool


class Associations(NamedTuple):
    """Members, and the account above each that has one."""

    members: tuple[AccountPerson, ...]
    parents: Mapping[str, str]
    refused: int


class Coordinators(NamedTuple):
    """By account, those who were made its coordinators."""

    by_account: Mapping[str, tuple[str, ...]]
    refused: int


def associations(pieces: Pieces) -> Associations:
    """Of `sacctmgr show associations format=account,parentname,user`."""
    members: list[AccountPerson] = []
    parents: dict[str, str] = {}
    refused = 0
    for row in _rows(pieces, len(ASSOCIATION_FIELDS)):
        if row is None:
            refused += 1
            continue
        account, parent, user = row
        if user:
            members.append(AccountPerson(user, account, is_coordinator=False))
        elif parent and parent != account:
            parents[account] = parent
    return Associations(tuple(members), parents, refused)


def coordinators(pieces: Pieces) -> Coordinators:
    """Of `sacctmgr show accounts withcoordinators format=account,coordinators`."""
    found: dict[str, tuple[str, ...]] = {}
    refused = 0
    for row in _rows(pieces, len(COORDINATOR_FIELDS)):
        if row is None:
            refused += 1
            continue
        account, told = row
        found[account] = tuple(name for one in told.split(",") if (name := one.strip()))
    return Coordinators(found, refused)


def account_people(members: Associations, leading: Coordinators) -> tuple[AccountPerson, ...]:
    """All members, and for each coordinator his accounts and those below them."""
    children: dict[str, list[str]] = {}
    for account, parent in members.parents.items():
        children.setdefault(parent, []).append(account)
    leaders = (
        AccountPerson(user, account, is_coordinator=True)
        for top, users in leading.by_account.items()
        for account in _below(top, children)
        for user in users
    )
    return (*members.members, *leaders)


def _below(top: str, children: Mapping[str, Iterable[str]]) -> Iterator[str]:
    seen: set[str] = set()
    waiting = [top]
    while waiting:
        account = waiting.pop()
        if account not in seen:
            seen.add(account)
            yield account
            waiting.extend(children.get(account, ()))


def _rows(pieces: Pieces, count: int) -> Iterator[tuple[str, ...] | None]:
    """Each row's fields; None for a line that is no row."""
    for line in text_lines(pieces):
        if not line.strip():
            continue
        fields = tuple(field.strip() for field in line.rstrip("\n").split(_SEPARATOR))
        is_row = len(fields) == count and 0 < len(fields[0]) <= _LONGEST_NAME
        yield fields if is_row else None
