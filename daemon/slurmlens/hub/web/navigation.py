"""The line of navigation: which pages there are for whoever looks. What somebody may not see is not hinted at.

Owns the table of entries and, for the time of a request, who looks and where (`looking_at`, set by `session`). A
template asks for it by `navigation()`, wherever it is rendered: `runtime.beside` hands the request's context on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextvars import ContextVar
from typing import NamedTuple

from slurmlens.hub.access.viewer import Role, Viewer


class PageLook(NamedTuple):
    """Who looks, and at which address."""

    viewer: Viewer
    path: str


looking_at: ContextVar[PageLook | None] = ContextVar("looking_at", default=None)
"""None where nobody is known: at a login, on an error's page."""


class NavigationEntry(NamedTuple):
    """A page that is linked from all others. `may` says for whom."""

    label: str
    address: str
    may: Callable[[Viewer], bool]


class Link(NamedTuple):
    """An entry as it is shown."""

    label: str
    address: str
    is_here: bool


def _everybody(_: Viewer) -> bool:
    return True


def _has_own_jobs(viewer: Viewer) -> bool:
    return viewer.is_somebody


def _sees_usage(viewer: Viewer) -> bool:
    return viewer.sees_all_usage


def _sees_all_jobs(viewer: Viewer) -> bool:
    return viewer.sees_all_jobs


def _sees_the_hub(viewer: Viewer) -> bool:
    return viewer.sees_the_hub


def _sees_looks(viewer: Viewer) -> bool:
    return viewer.is_somebody and not viewer.roles.isdisjoint({Role.AUDITOR, Role.OPERATOR})


ENTRIES: tuple[NavigationEntry, ...] = (
    NavigationEntry("Mine", "/me", _has_own_jobs),
    NavigationEntry("Cluster", "/cluster", _everybody),
    NavigationEntry("Jobs", "/jobs", _everybody),
    NavigationEntry("Logs", "/logs", _everybody),
    NavigationEntry("Nodes", "/nodes", _everybody),
    NavigationEntry("Partitions", "/partitions", _everybody),
    NavigationEntry("Campaigns", "/campaigns", _everybody),
    NavigationEntry("Findings", "/findings", _everybody),
    NavigationEntry("Investigations", "/investigations", _everybody),
    NavigationEntry("Common cause", "/common-cause", _everybody),
    NavigationEntry("Usage", "/management", _sees_usage),
    NavigationEntry("Capacity", "/capacity", _sees_usage),
    NavigationEntry("Reports", "/reports", _everybody),
    NavigationEntry("Looks", "/looks", _sees_looks),
    NavigationEntry("Status", "/status", _sees_the_hub),
    NavigationEntry("You", "/login", _everybody),
)


_BESIDE: tuple[NavigationEntry, ...] = (NavigationEntry("Audit", "/audit", _sees_all_jobs),)
"""Pages that others link to, and that not everybody may see."""


def may_open(address: str) -> bool:
    """Whether a link to this address leads whoever looks to a page: other links are not drawn."""
    look = looking_at.get()
    entry = next((one for one in (*ENTRIES, *_BESIDE) if one.address == address.partition("?")[0]), None)
    return look is None or entry is None or entry.may(look.viewer)


def navigation_of(addresses: Collection[str]) -> Callable[[], Iterator[Link]]:
    """What templates call: the entries among these addresses that are for whoever looks."""

    def navigation() -> Iterator[Link]:
        look = looking_at.get()
        for entry in ENTRIES:
            if entry.address in addresses and (look is None or entry.may(look.viewer)):
                here = look is not None and (look.path + "/").startswith(entry.address + "/")
                yield Link(entry.label, entry.address, here)

    return navigation
