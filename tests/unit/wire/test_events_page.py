"""docs/events.md says what the types say."""

from __future__ import annotations

import runpy

from testkit.checkout import ROOT

DOCS = ROOT / "docs"


def test_the_page_of_events_is_made_from_the_types() -> None:
    page = runpy.run_path(str(DOCS / "generate_events.py"))["page"]
    assert (DOCS / "events.md").read_text() == page(), "run docs/generate_events.py and look at the change"
