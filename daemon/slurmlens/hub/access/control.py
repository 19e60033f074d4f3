"""Access control of one hub, put together: from a request to a viewer, and what is kept of his looks.

Owns which of two regimes holds. With `[access]` everybody proves who he is and the rules say what he may see. Without
it whoever is on the hub's machine sees everything and nobody else sees anything: a port that nodes reach must not show
all jobs to the whole network because nobody wrote rules yet. Made by `hub.pipeline`; asked by `web.session` and pages.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import NamedTuple

from slurmlens.clock import Clock
from slurmlens.config.access import AccessConfig
from slurmlens.config.auth import AuthConfig
from slurmlens.errors import RefusedError
from slurmlens.hub.access.account_people import AccountPeople
from slurmlens.hub.access.authenticating import ReaderAuthenticator, ReaderRequest
from slurmlens.hub.access.looks import LookLog, What
from slurmlens.hub.access.rules import Rules
from slurmlens.hub.access.tokens import LoginTokens
from slurmlens.hub.access.unix_users import MachineUsers, UnixUsers
from slurmlens.hub.access.viewer import EVERYBODY, Person, Viewer, Way
from slurmlens.hub.database.store import Store
from slurmlens.runtime.munge import decode
from slurmlens.telemetry.internal import Reporter


class Admitted(NamedTuple):
    """Who asks and what he may see; no person where there are no rules."""

    person: Person | None
    viewer: Viewer


@dataclass(frozen=True)
class RuledAccess:
    """What there is where `[access]` is set."""

    settings: AccessConfig
    people: AccountPeople
    tokens: LoginTokens
    rules: Rules
    authenticator: ReaderAuthenticator
    looks: LookLog

    @classmethod
    def make(
        cls,
        settings: AccessConfig,
        auth: AuthConfig,
        cluster: str,
        store: Store,
        clock: Clock,
        reporter: Reporter,
        users: UnixUsers | None = None,
    ) -> RuledAccess:
        """Over the hub's database; ConfigError where the proxy's secret cannot be used."""
        users = users or MachineUsers()
        people, tokens = AccountPeople(store, cluster), LoginTokens(store, settings, clock)
        open_credential = partial(decode, socket_path=auth.munge_socket) if auth.munge else None
        return cls(
            settings,
            people,
            tokens,
            Rules(settings, people, users, clock),
            ReaderAuthenticator(settings, tokens, users, open_credential),
            LookLog(store, cluster, clock, reporter),
        )


class AccessControl:
    """Admits readers; `ruled` is None where there are no rules."""

    def __init__(self, ruled: RuledAccess | None = None) -> None:
        self.ruled = ruled

    async def admit(self, request: ReaderRequest) -> Admitted:
        """Who asks and what he may see; RefusedError, SourceError or StoreError otherwise."""
        if self.ruled is not None:
            person = await self.ruled.authenticator.person(request)
            return Admitted(person, await self.ruled.rules.viewer(person.name))
        if request.address is not None and not ip_address(request.address.partition("%")[0]).is_loopback:
            message = "without rules of who may see what the hub shows nothing to other machines; write [access]"
            raise RefusedError(message, reason="no_rules", status=403)
        return Admitted(None, EVERYBODY)

    async def is_still(self, admitted: Admitted, session: str | None) -> bool:
        """Whether who was admitted a while ago would be again, as the same viewer; for what stays open."""
        if self.ruled is None or admitted.person is None:
            return True
        name = admitted.person.name
        if admitted.person.way is Way.SESSION and await self.ruled.tokens.user_of_session(session or "") != name:
            return False
        return await self.ruled.rules.viewer(name) == admitted.viewer

    def saw_job(self, viewer: Viewer, what: What, job_id: int, run: int | None, owner: str | None) -> None:
        """The viewer was shown a job of `owner`; kept where it is another's."""
        if self.ruled is not None:
            self.ruled.looks.saw_job(viewer, what, job_id, run, owner)

    def saw_list(self, viewer: Viewer, detail: str, owners: Iterable[str | None]) -> None:
        """The viewer was shown a list of jobs of these owners; kept where some are others'."""
        if self.ruled is not None:
            self.ruled.looks.saw_list(viewer, detail, owners)
