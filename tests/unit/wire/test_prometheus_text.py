"""The page for Prometheus, read back by Prometheus's own parser."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from slurmlens.clock import SystemClock
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire.prometheus import exposition

Sample = tuple[str, tuple[tuple[str, str], ...], float]


def read_back(page: str) -> dict[str, tuple[str, str, list[Sample]]]:
    """Type, help and samples of each family."""
    return {
        family.name: (
            family.type,
            family.documentation,
            [(sample.name, tuple(sorted(sample.labels.items())), sample.value) for sample in family.samples],
        )
        for family in text_string_to_metric_families(page)
    }


def test_a_page_is_what_the_documentation_shows() -> None:
    values = {"a_bytes": 1.5, 'lines_total{sink="hub"}': 3, 'lines_total{sink="kafka"}': 1e18}
    assert exposition(values, {"lines_total": "lines a receiver took"}) == (
        "# TYPE slurmlens_a_bytes gauge\n"
        "slurmlens_a_bytes 1.5\n"
        "# HELP slurmlens_lines_total lines a receiver took\n"
        "# TYPE slurmlens_lines_total counter\n"
        'slurmlens_lines_total{sink="hub"} 3\n'
        'slurmlens_lines_total{sink="kafka"} 1e+18\n'
    )


names = st.from_regex(r"[a-z][a-z0-9_]{0,20}(_total|_s|_bytes)", fullmatch=True).filter(lambda name: name != "zz_total")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(st.dictionaries(texts, st.floats(allow_nan=True), max_size=8), names, texts)
def test_any_label_and_any_value_come_back_and_stay_in_their_family(
    by_label: dict[str, float], name: str, text: str
) -> None:
    counters = Counters()
    counter = counters.gauge(name, text, ("of",))
    for label, value in by_label.items():
        counter.set(value, label)
    counters.counter("zz_total", "the last").add(2)
    found = read_back(exposition(counters.snapshot(), {name: text}))
    assert found["slurmlens_zz"][2] == [("slurmlens_zz_total", (), 2.0)]
    _, _, samples = found.get(f"slurmlens_{name.removesuffix('_total')}", ("", "", []))
    assert {dict(labels)["of"]: value for _, labels, value in samples} == {
        label: value for label, value in by_label.items() if math.isfinite(value)
    }


def test_an_internal_event_is_a_counter_with_its_labels_and_its_text() -> None:
    import logging

    from slurmlens.telemetry.internal import InternalEvent

    counters = Counters()
    event = InternalEvent("torn", logging.DEBUG, 'torn: {what}, "really"\\', ("what",))
    Reporter(counters, SystemClock(), logging.getLogger("slurmlens.test")).report(event, what="a\nb")
    page = exposition(counters.snapshot(), {counter.name: counter.text for counter in counters.all()})
    kind, text, samples = read_back(page)["slurmlens_torn"]
    assert (kind, text) == ("counter", event.text)
    assert samples == [("slurmlens_torn_total", (("what", "a\nb"),), 1.0)]
