"""What a reader sees of a campaign: terminal within 80 columns, a page that needs nothing else, CSV that is safe to
open.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from bench.simulated_campaign import run_to_end
from bench.simulated_slurm import Run, SimulatedSlurm

from slurmlens.campaign.report.page import render_page
from slurmlens.campaign.settings import Campaign
from slurmlens.campaign.space import Parameters
from slurmlens.campaign.view import campaign_view
from slurmlens.runtime.local_zone import LocalZone
from slurmlens.shown.campaign.table import campaign_csv
from slurmlens.shown.campaign.terminal import render_campaign
from slurmlens.shown.terminal import Sheet
from slurmlens.shown.text import width
from slurmlens.wire.campaign_view import CampaignView
from testkit.campaigns import bowl


def behave(parameters: Parameters, attempt: int) -> Run:
    y = (float(parameters["x"]) - 0.5) ** 2 + (float(parameters["n"]) - 4) ** 2
    return Run(60.0, {"y": y})


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    return bowl(tmp_path, more='[[constraint]]\nname = "y"\nmax = 8.0\n')


@pytest.fixture
def view(campaign: Campaign) -> CampaignView:
    return campaign_view(run_to_end(campaign, SimulatedSlurm(campaign, behave, 3)).controller.state)


def test_the_terminal_shows_best_and_points_within_its_width(view: CampaignView) -> None:
    text = render_campaign(view, Sheet(LocalZone()))
    assert max(width(line) for line in text.splitlines()) <= 80
    assert "best" in text
    assert "breaks constraints by" in render_campaign(view, Sheet(LocalZone(), columns=200, full=True))


def test_the_page_holds_everything_and_loads_nothing(view: CampaignView) -> None:
    page = render_page(view, "http://hub:8080")
    assert page.count("<svg") == 2
    assert not re.search(r'(src|href)="(?!http://hub:8080/jobs/\d+")', page)
    assert page.count('href="http://hub:8080/jobs/') >= sum(bool(one.attempts) for one in view.points)


def test_what_a_user_wrote_is_text_on_the_page(view: CampaignView) -> None:
    import msgspec

    point = msgspec.structs.replace(
        view.points[0], reason="<script>alert(1)</script>", parameters={"x": "=1+1", "n": 4}
    )
    hostile = msgspec.structs.replace(view, points=[point], name="<b>", trace=[], best=None)
    page = render_page(hostile)
    assert "<script>" not in page
    assert "<b>" not in page
    row = next(iter(csv.DictReader(io.StringIO(campaign_csv(hostile)))))
    assert row["x"] == "'=1+1"


def test_every_point_is_a_line_of_the_table(view: CampaignView) -> None:
    rows = list(csv.DictReader(io.StringIO(campaign_csv(view))))
    assert len(rows) == len(view.points)
    best = next(row for row in rows if int(row["point"]) == view.best)
    assert float(best["y"]) == min(float(row["y"]) for row in rows if row["feasible"] == "yes")


def test_a_campaign_without_results_is_shown_too(campaign: Campaign) -> None:
    from slurmlens.campaign.fold import State

    empty = campaign_view(State(campaign))
    assert "no point was asked for yet" in render_campaign(empty, Sheet(LocalZone()))
    assert "No feasible point is known yet" in render_page(empty)
