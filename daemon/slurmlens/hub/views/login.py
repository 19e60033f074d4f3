"""What the hub says of logins: one type each for hub and command line. Pure."""

from __future__ import annotations

import msgspec


class LoginLink(msgspec.Struct, frozen=True):
    """A link that logs `who` in once, within `good_s`; `address` is where browsers find the hub."""

    path: str
    address: str
    who: str
    good_s: float


class WhoAmI(msgspec.Struct, frozen=True):
    """Who asks as the hub sees him; `way` is how he proved it, None where the hub has no rules."""

    who: str
    roles: tuple[str, ...]
    accounts: tuple[str, ...]
    sees_all_jobs: bool
    way: str | None
