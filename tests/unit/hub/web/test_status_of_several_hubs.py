"""The status page shows the hubs on one database, and what each takes of a topic."""

from __future__ import annotations

from slurmlens.hub.views.status.build import build_status_view
from slurmlens.hub.views.status.view import (
    GraphDocument,
    KafkaShareDocument,
    StatusDocument,
    WorkerDocument,
    WorkerToldDocument,
)
from slurmlens.hub.web.assets import Assets
from slurmlens.hub.web.render import make_environment

NOW_NS = 1_795_420_800 * 10**9


def page_of(document: StatusDocument) -> str:
    template = make_environment(Assets()).get_template("status/page.html")
    return template.render(view=build_status_view(document))


def test_each_hub_has_its_row_with_who_leads_and_who_is_silent() -> None:
    share = KafkaShareDocument(topic="<events>", waiting={0: 3})
    workers = (
        WorkerDocument(worker="h1:6830", leads_s=90.0, told=WorkerToldDocument(version="1", kafka=share)),
        WorkerDocument(worker="<b>:6830", silent_s=300.0),
    )
    page = page_of(StatusDocument(cluster="demo", now_ns=NOW_NS, worker="h1:6830", workers=workers))
    assert "leads for 1 min 30 s" in page
    assert "1 partition of &lt;events&gt;, 3 records behind" in page
    assert "not heard of for 5 min" in page
    assert "<b>:6830" not in page


def test_a_hub_alone_has_no_table_of_hubs_and_says_what_it_reads_and_writes_elsewhere() -> None:
    share, graph = KafkaShareDocument(topic="events", waiting={0: 0, 1: 5}), GraphDocument(url="bolt://x", waiting=7)
    page = page_of(StatusDocument(cluster="demo", now_ns=NOW_NS, kafka=share, graph=graph))
    assert "The hubs on this database" not in page
    assert "2 partitions of events, 5 records behind" in page
    assert "not written yet, 7 changes wait" in page
