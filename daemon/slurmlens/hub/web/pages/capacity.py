"""Where the cluster is going: `/capacity`, its JSON and CSV.

Fed by `ports` with the last half year: usage and how full file systems were by whole days, and runs that completed on
one generation of nodes or another. For those who may see
everybody's usage.
"""

from __future__ import annotations

import jinja2
import msgspec
from aiohttp import web

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.hub import HubConfig
from slurmlens.errors import PageError
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.inventory.entities import EntityKind
from slurmlens.hub.usage.charges import SIZE_CLASSES
from slurmlens.hub.usage.facts import UsageWindow
from slurmlens.hub.usage.generations import TypeOnGenerations
from slurmlens.hub.views.capacity.build import build_capacity_view, build_generations, said
from slurmlens.hub.web.answers import csv_answer, html_answer, json_answer
from slurmlens.hub.web.ports import InventoryReads, NodeStateReads, UsageReads
from slurmlens.hub.web.session import viewer_of
from slurmlens.runtime.beside import beside
from slurmlens.shown.csv import csv_table

DAY_S = 86_400
DAYS = 182


class CapacityPage:
    """All forms of it."""

    def __init__(
        self,
        usage: UsageReads,
        node_states: NodeStateReads | None,
        inventory: InventoryReads,
        environment: jinja2.Environment,
        settings: HubConfig,
        clock: Clock,
    ) -> None:
        self._usage = usage
        self._node_states = node_states
        self._inventory = inventory
        self._template = environment.get_template("capacity/page.html")
        self._settings = settings
        self._clock = clock

    async def show(self, request: web.Request) -> web.Response:
        """`GET /capacity`, `.json`, `.csv` (the days)."""
        viewer = viewer_of(request)
        if not viewer.sees_all_usage:
            raise PageError(403, "role", "This page is for the management and for operators", "Yours is at /reports.")
        now_s = self._clock.wall_ns() // NS_PER_S
        today_s = now_s // DAY_S * DAY_S
        window = UsageWindow(today_s - DAYS * DAY_S, today_s)
        full = await self._usage.daily_utilisation(viewer, window)
        waits = await self._usage.daily_waits(viewer, window)
        mounts = (
            ()
            if self._node_states is None
            else await self._node_states.file_systems(viewer, window.from_s, today_s + DAY_S)
        )
        cluster, settings = self._settings.cluster, self._settings.management
        view = await beside(lambda: build_capacity_view(cluster, full, waits, settings, now_s, mounts))
        view = msgspec.structs.replace(view, generations=await self._generations(viewer, window, now_s))
        form = request.match_info.get("form")
        if form == "json":
            return json_answer(view)
        if form == "csv":
            rows = ((one.name, day.day_s, day.value) for one in view.figures for day in one.days)
            return csv_answer(csv_table(("figure", "day_s", "value"), rows), "capacity.csv")
        return html_answer(
            self._template.render(
                view=view,
                said=said,
                sizes=[words for _, words in SIZE_CLASSES],
                naming=settings.generation_features,
            )
        )

    async def _generations(self, viewer: Viewer, window: UsageWindow, now_s: int) -> tuple[TypeOnGenerations, ...]:
        """Kinds of jobs on generations of nodes, until now."""
        runs = await self._usage.typed_runs(viewer, UsageWindow(window.from_s, now_s))
        features = await self._inventory.kind(viewer, EntityKind.NODE, ("features",), now_s * NS_PER_S)
        return await beside(lambda: build_generations(runs, features, self._settings.management))
