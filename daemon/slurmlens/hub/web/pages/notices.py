"""What a user wishes to be told of: `/api/v1/me/notices`, for the command line and programs.

Only one's own wishes can be seen or changed; where the hub has no rules, nobody has any.
"""

from __future__ import annotations

from aiohttp import web

from slurmlens.clock import Clock
from slurmlens.config.notices import NoticesConfig
from slurmlens.errors import PageError
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.notices.channels import address_problem, channels_for
from slurmlens.hub.notices.facts import UNLESS_NAMED, NoticeChannel, NoticeKind, WishesView
from slurmlens.hub.notices.facts import Wish as NoticeWish
from slurmlens.hub.notices.keeping import NoticeStore
from slurmlens.hub.web.answers import json_answer
from slurmlens.hub.web.session import viewer_of


class NoticesPage:
    """All forms of wishes."""

    def __init__(self, store: NoticeStore, config: NoticesConfig, clock: Clock) -> None:
        self._store = store
        self._config = config
        self._clock = clock

    async def show(self, request: web.Request) -> web.Response:
        """`GET /api/v1/me/notices`."""
        return json_answer(await self._view(_somebody(request)))

    async def change(self, request: web.Request) -> web.Response:
        """`POST /api/v1/me/notices?channel=&address=&kinds=`; without an address nothing more comes that way."""
        viewer = _somebody(request)
        channel = _channel(request.query.get("channel", ""))
        address = request.query.get("address", "")
        if not address:
            await self._store.forget(viewer.who, channel)
            return json_answer(await self._view(viewer))
        problem = address_problem(self._config, channel, address)
        if problem is not None:
            raise PageError(400, "bad-address", problem, "The hub's [notices] says what there is; ask its operator.")
        kinds = _kinds(request.query.get("kinds", ""))
        await self._store.wish(NoticeWish(viewer.who, channel, address, kinds, self._clock.wall_ns()))
        return json_answer(await self._view(viewer))

    async def _view(self, viewer: Viewer) -> WishesView:
        wishes = await self._store.wishes(viewer)
        return WishesView(user=viewer.who, channels=tuple(channels_for(self._config)), wishes=tuple(wishes))


def _somebody(request: web.Request) -> Viewer:
    viewer = viewer_of(request)
    if not viewer.is_somebody:
        advice = "Notices go to people: the hub needs [access] in hub.toml to know who you are."
        raise PageError(403, "no-name", "Nobody said who you are", advice)
    return viewer


def _channel(text: str) -> NoticeChannel:
    known = {one.value: one for one in NoticeChannel}
    if text not in known:
        raise PageError(400, "bad-channel", f"{text[:40]!r} is no way to be told", f"One of: {', '.join(known)}.")
    return known[text]


def _kinds(text: str) -> frozenset[NoticeKind]:
    known = {one.value: one for one in NoticeKind}
    named = [one for one in text.replace(",", " ").split() if one]
    unknown = [one for one in named if one not in known]
    if unknown:
        raise PageError(400, "bad-kind", f"{unknown[0][:40]!r} cannot be told", f"One of: {', '.join(known)}.")
    return frozenset(known[one] for one in named) or UNLESS_NAMED
