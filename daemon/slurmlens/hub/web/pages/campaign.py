"""Optimisation campaigns: the list, a campaign's page, and where their controllers tell them.

Fed by `ports`. A campaign is told by its own user alone, who proves himself by MUNGE or on the hub's socket; the
address holds the digest of the body, which a credential thereby covers. Without rules the hub knows nobody and takes
the name in the address.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import jinja2
from aiohttp import web

from slurmlens.clock import Clock
from slurmlens.errors import DecodeError, PageError
from slurmlens.hub.access.control import AccessControl
from slurmlens.hub.access.viewer import Viewer, Way
from slurmlens.hub.inventory.entities import EntityKind
from slurmlens.hub.views.campaign.build import (
    CampaignPageView,
    build_campaign_view,
    build_campaigns_view,
    campaigns_csv,
)
from slurmlens.hub.views.campaign.idle import ATTRIBUTES, IdlePartition, idle_partitions
from slurmlens.hub.web.answers import csv_answer, html_answer, json_answer
from slurmlens.hub.web.kept_answers import KeptAnswers
from slurmlens.hub.web.ports import CampaignStore, InventoryReads
from slurmlens.hub.web.session import admitted_of, viewer_of
from slurmlens.runtime.beside import beside
from slurmlens.shown.campaign import sentences
from slurmlens.shown.campaign.charts import HEIGHT, WIDTH, campaign_charts
from slurmlens.shown.campaign.table import campaign_csv, columns
from slurmlens.wire.campaign_view import decode_campaign

TELL = frozenset({Way.MUNGE, Way.SOCKET})
MOST_ROWS = 500
IDLE_FRESH_S, IDLE_MOST_KEPT = 10.0, 16


class CampaignPage:
    """All forms of campaigns."""

    def __init__(
        self,
        campaigns: CampaignStore,
        inventory: InventoryReads,
        environment: jinja2.Environment,
        cluster: str,
        clock: Clock,
        control: AccessControl,
    ) -> None:
        self._campaigns = campaigns
        self._inventory = inventory
        self._idle: KeptAnswers[Viewer, Sequence[IdlePartition]] = KeptAnswers(IDLE_FRESH_S, IDLE_MOST_KEPT)
        self._page = environment.get_template("campaign/page.html")
        self._list = environment.get_template("campaign/list.html")
        self._cluster = cluster
        self._clock = clock
        self._control = control

    async def listing(self, request: web.Request) -> web.Response:
        """`GET /campaigns`, `.json`, `.csv`."""
        viewer = viewer_of(request)
        kept = await self._campaigns.listed(viewer)
        view = build_campaigns_view(self._cluster, kept, self._clock.wall_ns(), await self._idle_now(viewer))
        self._control.saw_list(viewer, "campaigns", (row.user for row in view.rows))
        form = request.match_info.get("form")
        if form == "json":
            return json_answer(view)
        if form == "csv":
            return csv_answer(campaigns_csv(view), "campaigns.csv")
        return html_answer(self._list.render(view=view))

    async def _idle_now(self, viewer: Viewer) -> Sequence[IdlePartition]:
        of_sums = viewer.of_sums
        return await self._idle.get(of_sums, lambda: self._read_idle(of_sums))

    async def _read_idle(self, viewer: Viewer) -> Sequence[IdlePartition]:
        now_ns = self._clock.wall_ns()
        nodes = await self._inventory.kind(viewer, EntityKind.NODE, ATTRIBUTES, now_ns)
        containing = await self._inventory.contained(viewer, EntityKind.PARTITION, now_ns)
        return await beside(lambda: idle_partitions(nodes, containing))

    async def show(self, request: web.Request) -> web.Response:
        """`GET /campaigns/USER/NAME`, `.json`, `.csv`."""
        viewer, user, name = viewer_of(request), request.match_info["user"], request.match_info["name"]
        told = await self._campaigns.campaign(viewer, user, name)
        if told is None:
            advice = "A campaign is here once its controller was told of this hub: `slurmlens campaign run --hub URL`."
            raise PageError(404, "no-such-campaign", f"The hub knows no campaign {name!r} of {user!r}", advice)
        self._control.saw_list(viewer, f"campaign={user}/{name}", [user])
        view = build_campaign_view(self._cluster, told, self._clock.wall_ns())
        form = request.match_info.get("form")
        if form == "json":
            return await beside(lambda: json_answer(view))
        if form == "csv":
            return csv_answer(await beside(lambda: campaign_csv(view.campaign)), f"{name}.csv")
        return html_answer(await beside(lambda: self._drawn(view)))

    def _drawn(self, view: CampaignPageView) -> str:
        names, figures = columns(view.campaign)
        return self._page.render(
            view=view,
            campaign=view.campaign,
            best={view.campaign.best, *view.campaign.front},
            charts=campaign_charts(view.campaign),
            box=f"0 0 {WIDTH} {HEIGHT}",
            names=names,
            figures=figures,
            sentences=sentences,
            rows=list(reversed(view.campaign.points))[:MOST_ROWS],
        )

    async def take(self, request: web.Request) -> web.Response:
        """`POST /api/v1/campaigns/USER/NAME/telling?sha256=HEX`: what the controller tells."""
        user, name = request.match_info["user"], request.match_info["name"]
        self._check_sender(request, user)
        body = await request.read()
        if hashlib.sha256(body).hexdigest() != request.query.get("sha256"):
            raise PageError(400, "digest", "the body is not the one that the address names", "Send it again.")
        try:
            view = await beside(lambda: decode_campaign(body))
        except DecodeError as error:
            raise PageError(400, error.reason, str(error), "Hub and command must be of one release.") from error
        if view.name != name:
            raise PageError(
                400, "name", f"the body tells of campaign {view.name[:64]!r}", "Send it to its own address."
            )
        return json_answer({"taken": await self._campaigns.take(user, view)})

    def _check_sender(self, request: web.Request, user: str) -> None:
        if self._control.ruled is None:
            return
        person = admitted_of(request).person
        if person is None or person.way not in TELL:
            raise PageError(403, "way", "campaigns are told by the command line alone", "Run `slurmlens campaign`.")
        if person.name != user:
            raise PageError(403, "user", f"{person.name} does not speak for {user}", "A campaign is told by its user.")
