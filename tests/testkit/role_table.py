"""Who is answered what at every address of the hub: the one table of roles and routes.

A row stands for a path of the route table (`hub.web.routes`), with its data forms. Columns are the people of
`access_people`. A cell is the status and, where it shows jobs, whose are in the answer: "own" stands for bob's job 42,
which alice must never find. A new route needs a row here; decide for each column what it shows, and add the example
address by which the walk asks for it.
"""

from __future__ import annotations

from typing import NamedTuple

from testkit.told_events import BEGIN_S

NOBODY = "nobody"
PEOPLE = (NOBODY, "alice", "bob", "carol", "olga", "max", "ada")
"""Without a login; user; owner of job 42; coordinator of another account; operator; management; auditor."""


class Row(NamedTuple):
    """What the people of `PEOPLE` are answered at `example`, in their order.

    `shows_42` says in whose answers job 42 may stand by name; `look` what is kept of an operator's look.
    """

    example: str
    statuses: tuple[int, ...]
    shows_42: frozenset[str] = frozenset()
    look: str | None = None
    method: str = "GET"


def of(nobody: int, alice: int, bob: int, carol: int, olga: int, max_: int, ada: int) -> tuple[int, ...]:
    """The statuses, column by column."""
    return nobody, alice, bob, carol, olga, max_, ada


BOB_AND_OPERATOR = frozenset({"bob", "olga"})
OF_JOB_42 = of(401, 404, 200, 404, 200, 404, 404)
FOR_ALL_KNOWN = of(401, 200, 200, 200, 200, 200, 200)
FOR_ALL = of(200, 200, 200, 200, 200, 200, 200)
WHILE_THEY_RAN = f"?at={BEGIN_S + 1}"
OF_THE_HUB = of(401, 403, 403, 403, 200, 200, 200)

OF_ALL_USAGE = of(401, 403, 403, 403, 200, 200, 403)


def _job(path: str, what: str) -> Row:
    return Row(path, OF_JOB_42, BOB_AND_OPERATOR, what)


def _list(path: str, query: str = "") -> Row:
    return Row(path + query, FOR_ALL_KNOWN, BOB_AND_OPERATOR, "list")


def _with_data(path: str, row: Row) -> dict[str, Row]:
    """An address, its data forms, and the same as JSON under /api/v1: who sees what is the same in all."""
    example, question, query = row.example.partition("?")
    return {
        path: row,
        f"{path}.{{form}}": row._replace(example=f"{example}.json{question}{query}"),
        f"/api/v1{path}": row._replace(example=f"/api/v1{row.example}"),
    }


ROWS: dict[str, Row] = {
    "/": Row("/", of(401, 302, 302, 302, 302, 302, 302)),
    **_with_data("/me", _list("/me", "?user=bob")),
    **_with_data("/cluster", Row("/cluster", FOR_ALL_KNOWN)),
    **_with_data("/cluster/map", _list("/cluster/map", WHILE_THEY_RAN)),
    "/jobs/{job_id}": _job("/jobs/42", "page"),
    "/api/v1/jobs/{job_id}": _job("/api/v1/jobs/42", "data"),
    "/api/v1/jobs/{job_id}/{run}": _job("/api/v1/jobs/42/1", "data"),
    "/api/v1/jobs": _list("/api/v1/jobs"),
    "/api/v1/looks": Row("/api/v1/looks", FOR_ALL_KNOWN),
    "/jobs/{job_id}.{form}": _job("/jobs/42.json", "data"),
    "/jobs/{job_id}/{run}": _job("/jobs/42/1", "page"),
    "/jobs/{job_id}/{run}.{form}": _job("/jobs/42/1.csv", "data"),
    **_with_data("/jobs/{job_id}/timeline", _job("/jobs/42/timeline", "data")),
    **_with_data("/jobs/{job_id}/{run}/timeline", _job("/jobs/42/1/timeline", "data")),
    "/jobs/{job_id}/timeline": _job("/jobs/42/timeline", "page"),
    "/jobs/{job_id}/{run}/timeline": _job("/jobs/42/1/timeline", "page"),
    "/jobs/{job_id}/live": _job("/jobs/42/live", "live"),
    "/jobs/{job_id}/{run}/live": _job("/jobs/42/1/live", "live"),
    "/jobs/{job_id}/events.json": _job("/jobs/42/events.json", "events"),
    "/jobs/{job_id}/{run}/events.json": _job("/jobs/42/1/events.json", "events"),
    "/jobs": _list("/jobs"),
    "/jobs.{form}": _list("/jobs.csv"),
    **_with_data("/nodes/{name}", _list("/nodes/n1")),
    **_with_data("/partitions/{name}", _list("/partitions/all")),
    **_with_data("/users/{name}", Row("/users/bob", OF_JOB_42, BOB_AND_OPERATOR, "list")),
    **_with_data("/accounts/{name}", Row("/accounts/bio", OF_JOB_42, BOB_AND_OPERATOR, "list")),
    **_with_data("/groups/{name}", Row("/groups/staff", of(401, 404, 404, 404, 200, 404, 404))),
    **_with_data("/switches/{name}", Row("/switches/s1", FOR_ALL_KNOWN)),
    **{
        path: row
        for plural in ("nodes", "partitions", "users", "accounts", "groups", "switches")
        for path, row in _with_data(f"/{plural}", Row(f"/{plural}", FOR_ALL_KNOWN)).items()
    },
    **_with_data("/software", Row("/software", FOR_ALL_KNOWN)),
    **_with_data("/software/{name}", Row("/software/libc6", FOR_ALL_KNOWN)),
    **_with_data("/nodes/{name}/software", Row("/nodes/n1/software", FOR_ALL_KNOWN)),
    **_with_data("/common-cause", Row("/common-cause", FOR_ALL_KNOWN)),
    **_with_data("/capacity", Row("/capacity", OF_ALL_USAGE)),
    **_with_data("/reports", Row("/reports", FOR_ALL_KNOWN)),
    **_with_data("/management", Row("/management", OF_ALL_USAGE)),
    "/api/v1/usage/rebuild": Row("/api/v1/usage/rebuild", of(401, 403, 403, 403, 403, 403, 403), method="POST"),
    **_with_data("/inventory/{kind}/{name}", _list("/inventory/node/n1", WHILE_THEY_RAN)),
    **_with_data("/inventory/{kind}/{name}/blast-radius", _list("/inventory/node/n1/blast-radius", WHILE_THEY_RAN)),
    **_with_data("/inventory/{kind}/{name}/difference", Row("/inventory/node/n1/difference", FOR_ALL_KNOWN)),
    **_with_data("/campaigns", Row("/campaigns", FOR_ALL_KNOWN, look="list")),
    "/campaigns/{user}/{name}": Row("/campaigns/bob/c", of(401, 404, 200, 404, 200, 404, 404), look="list"),
    "/campaigns/{user}/{name}.{form}": Row("/campaigns/bob/c.csv", of(401, 404, 200, 404, 200, 404, 404), look="list"),
    "/api/v1/campaigns/{user}/{name}": Row(
        "/api/v1/campaigns/bob/c", of(401, 404, 200, 404, 200, 404, 404), look="list"
    ),
    "/api/v1/campaigns/{user}/{name}/telling": Row(
        "/api/v1/campaigns/bob/c/telling", of(401, 403, 403, 403, 403, 403, 403), method="POST"
    ),
    "/logs": _list("/logs?since=2026-01-01"),
    "/logs.json": _list("/logs.json?since=2026-01-01"),
    "/logs/live": Row("/logs/live", FOR_ALL_KNOWN),
    **_with_data("/findings", Row("/findings", FOR_ALL_KNOWN)),
    **_with_data("/findings/feedback", Row("/findings/feedback", FOR_ALL_KNOWN)),
    **_with_data("/findings/{number}", Row("/findings/F-1", OF_JOB_42)),
    "/findings/{number}": Row("/findings/F-1", OF_JOB_42, BOB_AND_OPERATOR),
    "/findings/{number}/words": Row("/findings/F-1/words", of(401, 403, 403, 403, 400, 403, 403), method="POST"),
    "/findings/{number}/words/{word}/undo": Row(
        "/findings/F-1/words/9/undo", of(401, 403, 403, 403, 404, 403, 403), method="POST"
    ),
    **_with_data("/investigations", Row("/investigations", FOR_ALL_KNOWN)),
    **{
        path: row
        for path, row in _with_data("/audit", Row("/audit", of(401, 403, 403, 403, 200, 403, 403))).items()
        if path != "/api/v1/audit"
    },
    "/api/v1/audit": Row("/api/v1/audit?day=x", of(401, 403, 403, 403, 400, 403, 403), method="POST"),
    **_with_data("/workflows", Row("/workflows", FOR_ALL_KNOWN, BOB_AND_OPERATOR)),
    "/api/v1/investigations": Row("/api/v1/investigations", FOR_ALL_KNOWN, BOB_AND_OPERATOR),
    "/investigations.{form}": Row("/investigations.json", FOR_ALL_KNOWN, BOB_AND_OPERATOR),
    **_with_data("/investigations/{number}", _job("/investigations/I-1", "list")),
    "/investigations/{number}/file.html": _job("/investigations/I-1/file.html", "list"),
    "/investigations/{number}/{what}.toml": Row(
        "/investigations/I-1/problem.toml", of(401, 404, 409, 404, 409, 404, 404)
    ),
    **{
        f"{root}/investigations/{{number}}/changes": Row(
            f"{root}/investigations/I-1/changes?change=note", of(401, 404, 400, 404, 400, 404, 404), method="POST"
        )
        for root in ("", "/api/v1")
    },
    "/investigations/{number}/again": Row(
        "/investigations/I-1/again", of(401, 404, 303, 404, 303, 404, 404), method="POST"
    ),
    "/api/v1/investigations/{number}/again": Row(
        "/api/v1/investigations/I-1/again",
        of(401, 404, 200, 404, 200, 404, 404),
        BOB_AND_OPERATOR,
        "list",
        method="POST",
    ),
    "/api/v1/me/notices": Row("/api/v1/me/notices", FOR_ALL_KNOWN),
    "/api/v1/openapi.json": Row("/api/v1/openapi.json", FOR_ALL_KNOWN),
    "/status": Row("/status", OF_THE_HUB),
    "/status.json": Row("/status.json", OF_THE_HUB),
    "/looks": Row("/looks", FOR_ALL_KNOWN),
    "/looks.{form}": Row("/looks.json", FOR_ALL_KNOWN),
    "/whoami.json": Row("/whoami.json", FOR_ALL_KNOWN),
    "/login": Row("/login", FOR_ALL),
    "/login/{token}": Row("/login/never-made", of(403, 403, 403, 403, 403, 403, 403)),
    "/logout": Row("/logout", of(303, 303, 303, 303, 303, 303, 303), method="POST"),
    "/api/v1/login-links": Row("/api/v1/login-links", of(401, 403, 403, 403, 403, 403, 403), method="POST"),
    "/api/v1/silence/{node}": Row("/api/v1/silence/c1", FOR_ALL),
    "/api/v1/events": Row("/api/v1/events", FOR_ALL, method="POST"),
    "/static/{version}/{name}": Row("/static/x/style.css", FOR_ALL),
}
