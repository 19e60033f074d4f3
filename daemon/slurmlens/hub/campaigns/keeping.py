"""Takes what controllers tell of their campaigns, and answers who may see which.

Owns the rows of `campaigns`. Invariants: of two tellings of one campaign the one with more events stays, whichever came
last (the same campaign has the same beginning; another beginning is a campaign begun anew and takes the place); a user
has `MOST_OF_USER` campaigns at most, the latest told. What is told says nothing of jobs that history does not know
better: a page links to jobs, and each job's own page decides who sees it. Written by the page that takes them, read by
pages; what was told goes on to the inventory as news.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, select

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.hub.access.predicates import visible_campaigns
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.campaigns.facts import CampaignSummary, KeptCampaign, ToldCampaign, summary_of
from slurmlens.hub.campaigns.tables import campaigns as table
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.store import Store
from slurmlens.hub.news import CampaignReceived, News
from slurmlens.runtime.beside import beside
from slurmlens.wire.campaign_view import CampaignView, decode_campaign, encode_campaign

MOST_OF_USER = 200
MOST_LISTED = 200
_KEY = ("cluster", "user", "name")
_LIST = ("user", "name", "opened_ns", "told_ns", "summary")
_summary_decoder = msgspec.json.Decoder(CampaignSummary)


class Campaigns:
    """The campaigns of one cluster."""

    def __init__(self, store: Store, cluster: str, news: News, clock: Clock) -> None:
        self._store = store
        self._cluster = cluster
        self._news = news
        self._clock = clock

    async def take(self, user: str, view: CampaignView) -> bool:
        """Keeps what a campaign's controller told; False where something newer is kept already."""
        row = await beside(lambda: self._row(user, view))
        key = (self._cluster, user, view.name)

        def work(transaction: Transaction) -> bool:
            known = transaction.find(table, ("opened_ns", "events"), _KEY, [key])
            if known and known[0][0] == row["opened_ns"] and known[0][1] > view.events:
                return False
            transaction.put(table, _KEY, [row])
            own = transaction.find(table, ("told_ns", "name"), ("cluster", "user"), [(self._cluster, user)])
            too_many = sorted(own, reverse=True)[MOST_OF_USER:]
            transaction.take_away(table, _KEY, [(self._cluster, user, name) for _, name in too_many])
            return True

        is_new = await self._store.write(work)
        if is_new:
            self._news.publish(CampaignReceived(user, view))
        return is_new

    def _row(self, user: str, view: CampaignView) -> dict[str, object]:
        return {
            "cluster": self._cluster,
            "user": user,
            "name": view.name,
            "opened_ns": round((view.opened_s or 0) * NS_PER_S),
            "told_ns": self._clock.wall_ns(),
            "events": view.events,
            "summary": msgspec.json.encode(summary_of(view)),
            "view": zlib.compress(encode_campaign(view)),
        }

    async def listed(self, viewer: Viewer) -> Sequence[KeptCampaign]:
        """The latest told, newest first."""
        columns = [table.c[name] for name in _LIST]
        query = select(*columns).where(table.c.cluster == self._cluster, visible_campaigns(viewer))
        query = query.order_by(table.c.told_ns.desc()).limit(MOST_LISTED)

        def read(connection: Connection) -> list[KeptCampaign]:
            return [
                KeptCampaign(**{**row, "summary": _summary_decoder.decode(row["summary"])})
                for row in connection.execute(query).mappings()
            ]

        return await self._store.read(read)

    async def campaign(self, viewer: Viewer, user: str, name: str) -> ToldCampaign | None:
        """One campaign; None where there is none that the viewer may see."""
        query = select(table.c.told_ns, table.c.view).where(
            table.c.cluster == self._cluster, table.c.user == user, table.c.name == name, visible_campaigns(viewer)
        )

        def read(connection: Connection) -> ToldCampaign | None:
            row = connection.execute(query).mappings().first()
            if row is None:
                return None
            view = decode_campaign(zlib.decompress(row["view"]))
            return ToldCampaign(user=user, told_ns=row["told_ns"], view=view)

        return await self._store.read(read)
