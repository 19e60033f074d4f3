"""The hub's JSON as OpenAPI says it: made from the table of routes and the types of the views, so that it cannot drift.

Pure. Owns the words about parameters. OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0); schemas are msgspec's. Fed by
`routes`; shown at `/api/v1/openapi.json`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from slurmlens.hub.web.addresses import MOST_ROWS

_SEGMENT = re.compile(r"\{(\w+)(?::[^{}]*(?:\{[^{}]*\}[^{}]*)*)?\}")
_MOMENT = "seconds since the epoch, or RFC 3339 with its zone"
_COUNT = {"type": "integer", "minimum": 1, "maximum": MOST_ROWS}
_TEXT: dict[str, Any] = {"type": "string"}

PARAMETERS: dict[str, tuple[str, dict[str, Any]]] = {
    "account": ("charged to this account", _TEXT),
    "after": ("go on behind this place: `next` of the page before", _TEXT),
    "at": (f"as it was at this moment: {_MOMENT}", _TEXT),
    "before": ("go on before this one: `next` of the page before", {"type": "integer", "minimum": 1}),
    "by": ("what nodes, or usage, are grouped by", _TEXT),
    "day": ("this day (UTC): 2026-11-30; the latest where not set", _TEXT),
    "depth": ("how many steps from the entity", {"type": "integer", "minimum": 0}),
    "figure": ("what nodes are coloured by", _TEXT),
    "from": (f"begin of the window: {_MOMENT}", _TEXT),
    "job_id": ("of this job", {"type": "integer", "minimum": 1}),
    "kind": ("of this kind", _TEXT),
    "limit": ("at most so many", _COUNT),
    "margin_s": ("so many seconds before the start and after the end", {"type": "integer", "minimum": 0}),
    "node": ("on this node", _TEXT),
    "of": ("whose usage: account, user, partition, qos or type (a kind of jobs), and after a colon its name", _TEXT),
    "owner": ("of this user's jobs", _TEXT),
    "partition": ("in this partition", _TEXT),
    "period": ("day, week, month or year, which `at` names (2026-11-30, 2026-W48, 2026-11, 2026)", _TEXT),
    "since": (f"from this moment on: {_MOMENT}", _TEXT),
    "state": ("in this state, or group of states", _TEXT),
    "then": (f"compare with what it was then: {_MOMENT}", _TEXT),
    "to": (f"end of the window: {_MOMENT}", _TEXT),
    "until": (f"up to this moment: {_MOMENT}", _TEXT),
    "user": ("of this user", _TEXT),
    "who": ("who looked", _TEXT),
    "with": ("compare with this one of the same kind", _TEXT),
}
"""By name: what it means and its schema. What cannot be used is refused (400), whatever the schema lets through."""

PROBLEM = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "description": "for programs: a word from a bounded set"},
        "message": {"type": "string", "description": "what is wrong"},
        "advice": {"type": "string", "description": "what to do"},
    },
    "required": ["reason", "message", "advice"],
}
"""The one form of an error."""

REFUSALS = {
    "400": "a parameter that cannot be used",
    "401": "who asks is not known",
    "403": "who asks may not see it",
    "404": "there is no such thing, or none that may be seen",
    "503": "the hub is busy or its database is away; Retry-After says when to try again",
}


class Described(NamedTuple):
    """What is described of a route that has JSON."""

    path: str
    view: type
    query: tuple[str, ...]


def describe(routes: Iterable[Described], prefix: str, version: str) -> dict[str, Any]:
    """The whole document. KeyError where a parameter has no words in `PARAMETERS`."""
    described = list(routes)
    views = list(dict.fromkeys(one.view for one in described))
    schemas, components = msgspec.json.schema_components(views, ref_template="#/components/schemas/{name}")
    of_view = dict(zip(views, schemas, strict=True))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "slurmlens hub",
            "version": version,
            "description": "What pages show, as JSON. Lists go on behind `next` by `after`. Every answer has an ETag.",
        },
        "paths": {prefix + _plain(one.path): _path_item(one, of_view[one.view]) for one in described},
        "components": {"schemas": {**components, "Problem": PROBLEM}},
    }


def _plain(path: str) -> str:
    """A path without the patterns of its segments."""
    return _SEGMENT.sub(r"{\1}", path)


def _path_item(one: Described, schema: dict[str, Any]) -> dict[str, Any]:
    path = [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in _SEGMENT.findall(one.path)]
    query = [
        {"name": name, "in": "query", "description": PARAMETERS[name][0], "schema": PARAMETERS[name][1]}
        for name in one.query
    ]
    problem = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    responses: dict[str, Any] = {
        status: {"description": words, "content": problem} for status, words in REFUSALS.items()
    }
    responses["200"] = {"description": one.view.__name__, "content": {"application/json": {"schema": schema}}}
    responses["304"] = {"description": "nothing new since the answer with the ETag in If-None-Match"}
    summary = (one.view.__doc__ or one.view.__name__).partition("\n")[0]
    return {"get": {"summary": summary, "parameters": path + query, "responses": responses}}
