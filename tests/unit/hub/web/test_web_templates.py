"""The templates' own rules: escaping is on, nothing is marked as safe, nothing inline, nothing from elsewhere."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import jinja2
import pytest

from slurmlens.hub.web.assets import Assets
from slurmlens.hub.web.render import PARTS, make_environment
from testkit.checkout import ROOT

WEB = Path(str(resources.files("slurmlens.hub.web")))
TEMPLATES = sorted((WEB / "templates").rglob("*.html"))
BROWSER_PART = ROOT / "web" / "src"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_switches_escaping_off_or_writes_inline_code(path: Path) -> None:
    text = path.read_text()
    for pattern in (
        r"\|\s*safe\b",
        r"autoescape",
        r"<script(?![^>]*\bsrc=)",
        r"\sstyle=",
        r"\son[a-z]+=",
        r"https?://",
    ):
        assert re.search(pattern, text) is None, pattern


def test_escaping_is_on_and_unknown_names_are_errors() -> None:
    environment = make_environment(Assets())
    assert environment.from_string("{{ x }}").render(x="<&\"'>") == "&lt;&amp;&#34;&#39;&gt;"
    with pytest.raises(jinja2.UndefinedError):
        environment.from_string("{{ nothing }}").render()


def test_every_part_has_its_template() -> None:
    assert set(PARTS) <= {path.stem for path in (WEB / "templates" / "job" / "parts").glob("*.html")}


def test_the_style_sheet_and_the_browser_part_ask_nobody_else() -> None:
    own = [WEB / "static" / "style.css", *BROWSER_PART.glob("*.js")]
    assert len(own) > 4
    for path in own:
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert re.search(r"https?://|@import|\beval\(|new Function|document\.write", text) is None, path


CALLED = re.compile(r"\b(phrases|fmt)\.([a-z_]+)\(")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_every_phrase_that_a_template_calls_is_there(path: Path) -> None:
    environment = make_environment(Assets())
    called = set(CALLED.findall(path.read_text()))
    assert [name for room, name in called if not hasattr(environment.globals[room], name)] == []
