"""docs/metrics.md says what the tables say."""

from __future__ import annotations

import runpy

from testkit.checkout import ROOT

DOCS = ROOT / "docs"


def test_the_metrics_page_is_up_to_date() -> None:
    page = runpy.run_path(str(DOCS / "generate_metrics.py"))["page"]
    assert (DOCS / "metrics.md").read_text() == page(), "run docs/generate_metrics.py and look at the change"
