"""Templates and what they may call: every text that reaches a page goes through here.

Owns the jinja2 environment: autoescape is on and stays on, an undefined name is an error, and no template marks a value
as safe. `tests/unit/hub/web` tests both. Users' texts pass `visible` first, so that no control character or direction
mark reaches a browser either.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import jinja2

from slurmlens.hub.inventory.entities import Entity
from slurmlens.hub.views.job import phrases
from slurmlens.hub.views.job import progress as progress_words
from slurmlens.hub.views.job.view import JobView, rows_shown
from slurmlens.hub.views.neighbourhood.build import entity_address
from slurmlens.hub.views.states import STATE_STYLES
from slurmlens.hub.web.assets import Assets
from slurmlens.hub.web.drawing import draw, spark_path
from slurmlens.hub.web.navigation import ENTRIES, may_open, navigation_of
from slurmlens.hub.web.timeline_drawing import bar_width, draw_timeline
from slurmlens.shown import format as fmt
from slurmlens.shown.text import visible

PARTS = ("headline", "progress", "figures", "timeline", "nodes", "gpus", "steps", "events", "advice", "worth")
"""The parts of a job's page that change while it runs; each is a template and an element with that name."""


def make_environment(assets: Assets) -> jinja2.Environment:
    """The one environment of the process."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("slurmlens.hub.web", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        visible=lambda text: "" if text is None else visible(str(text)),
        percent=fmt.percent,
        memory=fmt.memory,
        volume=fmt.volume,
        duration=fmt.duration,
        digits=fmt.digits,
        cores=fmt.cores,
        hours=fmt.grouped,
        iso=fmt.iso,
        utc=_utc,
        segment=lambda text: quote(str(text), safe=""),
        query=_query,
        entity_page=lambda kind, name: entity_address(Entity(kind, name)),
        with_query=_with_query,
    )
    environment.globals.update(
        asset=assets.url,
        navigation=navigation_of([entry.address for entry in ENTRIES]),
        may_open=may_open,
        has_asset=assets.has,
        styles=STATE_STYLES,
        fmt=fmt,
        spark=spark_path,
        bar_width=bar_width,
        phrases=phrases,
        progress_words=progress_words,
        rows_shown=rows_shown,
    )
    return environment


def render_part(environment: jinja2.Environment, part: str, context: Mapping[str, Any]) -> str:
    """The inside of one part of a job's page; `context` is its `job_context`, the same for all parts."""
    return environment.get_template(f"job/parts/{part}.html").render(context)


def job_context(view: JobView) -> dict[str, Any]:
    """What the templates of a job's page are filled with."""
    return {
        "view": view,
        "identity": view.identity,
        "number": phrases.job_number(view.identity),
        "plots": draw(view.charts) if view.charts else (),
        "timeline": draw_timeline(view),
    }


def _utc(time_ns: int | None, near_ns: int | None = None) -> str:
    return fmt.moment(time_ns, datetime.UTC, near_ns=near_ns)


def _with_query(path: str, filters: Mapping[str, str], **changes: str | None) -> str:
    """An address with the filters, changes applied; None takes one away."""
    merged: dict[str, str | None] = {**filters, **changes}
    kept = {key: value for key, value in merged.items() if value}
    return path + (f"?{urlencode(kept)}" if kept else "")


def _query(filters: Mapping[str, str], **changes: str | None) -> str:
    """An address of the jobs page: the filters with changes applied; None takes one away."""
    return _with_query("/jobs", filters, **changes)
