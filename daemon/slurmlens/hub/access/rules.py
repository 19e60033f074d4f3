"""The rules of `[access]`: who is proved becomes a viewer, with the roles and accounts that he has at this moment.

Owns the answer to "which role has this name". Invariant: nothing of a viewer lies in a cookie or credential, so that a
role ends with its line in the settings, its group or its account; what groups and accounts say is believed for
`KEPT_S`. Asked by `web.session` for each request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.access import AccessConfig, people_by_account
from slurmlens.hub.access.account_people import AccountPeople
from slurmlens.hub.access.unix_users import UnixUsers
from slurmlens.hub.access.viewer import Role, Viewer

KEPT_S = 30.0
MOST_KEPT = 4_096
_GROUP = "@"


class Rules:
    """The rules of one hub."""

    def __init__(self, settings: AccessConfig, people: AccountPeople, users: UnixUsers, clock: Clock) -> None:
        self._settings = settings
        self._people = people
        self._users = users
        self._clock = clock
        self._members = people_by_account(settings.members)
        self._coordinators = people_by_account(settings.coordinators)
        self._kept: dict[str, tuple[int, Viewer]] = {}

    async def viewer(self, name: str) -> Viewer:
        """What the person of this name may see now, at most `KEPT_S` old; StoreError where nothing can be known."""
        now_ns = self._clock.monotonic_ns()
        made_ns, viewer = self._kept.get(name, (None, None))
        if viewer is not None and made_ns is not None and now_ns - made_ns < KEPT_S * NS_PER_S:
            return viewer
        viewer = await self._make(name)
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[name] = now_ns, viewer
        return viewer

    async def _make(self, name: str) -> Viewer:
        groups = await asyncio.to_thread(self._users.groups_of, name) if self._asks_for_groups() else frozenset()
        told = await self._people.of(name)
        coordinated = told.coordinator | _accounts_of(name, self._coordinators)
        member = told.member | _accounts_of(name, self._members)
        roles = self._roles(name, groups) | ({Role.COORDINATOR} if coordinated else set())
        sees_colleagues = self._settings.users_see == "accounts"
        return Viewer(
            who=name,
            roles=frozenset(roles),
            accounts=coordinated | (member if sees_colleagues else frozenset()),
            sees_all_jobs=Role.OPERATOR in roles or self._settings.users_see == "all",
        )

    def _roles(self, name: str, groups: Collection[str]) -> set[Role]:
        named = {
            Role.OPERATOR: self._settings.operators,
            Role.MANAGEMENT: self._settings.management,
            Role.AUDITOR: self._settings.auditors,
        }
        names = {name, *(_GROUP + group for group in groups)}
        return {Role.USER, *(role for role, people in named.items() if not names.isdisjoint(people))}

    def _asks_for_groups(self) -> bool:
        settings = self._settings
        people = (*settings.operators, *settings.management, *settings.auditors)
        return any(one.startswith(_GROUP) for one in people)


def _accounts_of(name: str, people: Mapping[str, frozenset[str]]) -> frozenset[str]:
    return frozenset(account for account, users in people.items() if name in users)
