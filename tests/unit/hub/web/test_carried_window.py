"""The window that a reader chose goes with him: from the cluster to a node, from there to its jobs and their lines."""

from __future__ import annotations

import html
import re
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.clock import NS_PER_S
from slurmlens.hub.web.window import PageWindow, carried, window_of

NOW_NS = 1_795_420_800 * NS_PER_S
WINDOW = PageWindow("2026-11-23T06:00:00Z", "2026-11-23T08:00:00Z")


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("/cluster", {"since": "2h"}, ("2026-11-23T06:00:00Z", None)),
        ("/nodes/n1", {"since": "1795413600", "at": "1795420800"}, WINDOW),
        ("/logs", {"since": "2026-11-23T06:00:00Z", "until": "2026-11-23T08:00:00Z"}, WINDOW),
        ("/common-cause", {"from": "1795413600", "to": "1795420800"}, WINDOW),
        ("/cluster", {}, None),
        ("/nodes/n1", {"at": "1795420800"}, None),
        ("/cluster", {"since": "yesterday"}, None),
        ("/findings", {"since": "2h"}, None),
    ],
)
def test_a_window_is_read_in_the_words_of_its_page(
    path: str, query: dict[str, str], expected: tuple[str, str | None] | None
) -> None:
    assert window_of(path, query, NOW_NS) == expected


def linked(page: str) -> dict[str, dict[str, list[str]]]:
    found = (urlsplit(html.unescape(one)) for one in re.findall(r'href="([^"]*)"', page))
    return {one.path: parse_qs(one.query) for one in found}


def test_links_get_the_window_in_the_words_of_where_they_lead_and_keep_what_they_ask() -> None:
    page = (
        '<a href="/nodes/n1">n1</a> <a href="/logs?node=n%261&amp;since=14d#l3">lines</a> <a href="/jobs/7/2">7</a>'
        '<a href="/status">other</a> <a href="/static/x.css"></a> <a href="https://elsewhere/nodes/n2">away</a>'
        '<a href="/nodesque">no page of it</a>'
    )
    found = linked(carried(page, "/cluster", WINDOW))
    assert found["/nodes/n1"] == {"since": [WINDOW.begin], "at": [WINDOW.end]}
    assert found["/logs"] == {"node": ["n&1"], "since": [WINDOW.begin], "until": [WINDOW.end]}
    assert found["/jobs/7/2"] == {"since": [WINDOW.begin], "until": [WINDOW.end]}
    assert found["/status"] == found["/static/x.css"] == found["/nodesque"] == {}
    assert '#l3"' in carried(page, "/cluster", WINDOW)
    assert 'href="https://elsewhere/nodes/n2"' in carried(page, "/cluster", WINDOW)


def test_another_window_of_the_same_page_is_a_choice_and_is_kept() -> None:
    page = '<a href="/cluster?since=7d&amp;by=switch">7 days</a><a href="/cluster?by=switch">by switch</a>'
    assert 'href="/cluster?since=7d&amp;by=switch"' in carried(page, "/cluster", WINDOW)
    assert linked(carried(page, "/cluster", WINDOW))["/cluster"]["since"] == [WINDOW.begin]


@given(st.dictionaries(st.sampled_from(["node", "text", "job"]), st.text(min_size=1, max_size=20)))
def test_whatever_a_link_asks_is_asked_as_before_and_no_markup_comes_of_it(asked: dict[str, str]) -> None:
    before = urlencode(asked, errors="surrogatepass")
    page = f'<a href="/logs?{html.escape(before)}">lines</a>'
    after = carried(page, "/nodes/n1", WINDOW)
    assert after.count('"') == 2
    assert after.count("<") == 2
    told = linked(after)["/logs"]
    assert {name: told[name][0] for name in asked} == parse_first(before)


def parse_first(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
