"""Charts of a campaign cost what its points cost, however many of them are on the front."""

from __future__ import annotations

import msgspec

from slurmlens.shown.campaign.charts import campaign_charts
from testkit.campaign_views import told_campaign


class ListToGoThrough(list[int]):
    """Looking for one number in it goes through all of it: a page that does so for each point never ends."""

    def __contains__(self, number: object) -> bool:
        raise AssertionError("the front was gone through for one point")


def test_the_front_is_gone_through_once_for_all_points() -> None:
    view = told_campaign(jobs=range(1, 50))
    front = ListToGoThrough([3, 5])
    charts = campaign_charts(msgspec.structs.replace(view, objectives=["min y", "max y"], front=front))
    best = [mark for mark in charts[-1].marks if mark.role == "best"]
    assert [mark.point.point for mark in best if mark.point] == [3, 5, 49]
