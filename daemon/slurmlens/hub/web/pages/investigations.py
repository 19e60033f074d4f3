"""Investigations: the list, one with its answers, what changes them, a file of one, and its conclusion as a known
problem.

Fed by the store of investigations; `beginnings` says what one asks that begins on a page, `investigating` answers.
Changes come by forms of these pages (the origin of which `host_check` looks at) and by the same addresses under
`/api/v1`, where values may stand in the address.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import jinja2
from aiohttp import web

from slurmlens.clock import Clock
from slurmlens.errors import DecodeError, PageError, RefusedError
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.investigations import facts
from slurmlens.hub.investigations.facts import Investigation, Question, QuestionKind
from slurmlens.hub.investigations.keeping import InvestigationStore, may_change
from slurmlens.hub.investigations.problem_draft import case_draft, problem_draft
from slurmlens.hub.views.investigation.build import (
    build_investigation_view,
    build_investigations_view,
    entity_of,
)
from slurmlens.hub.views.investigation.view import InvestigationView
from slurmlens.hub.views.neighbourhood.build import PLURALS
from slurmlens.hub.web.addresses import moment_of, number_in
from slurmlens.hub.web.answers import csv_answer, html_answer, json_answer
from slurmlens.hub.web.beginnings import Beginnings
from slurmlens.hub.web.investigating import InvestigationAnswers
from slurmlens.hub.web.session import viewer_of
from slurmlens.shown.csv import csv_table

MOST_NUMBER = 10**12
MOST_FIELD = 8_000
_API = "/api/v1/"
_Kept = TypeVar("_Kept")
_Change = Callable[[Investigation], Investigation]


class InvestigationsPage:
    """All forms of investigations."""

    def __init__(
        self,
        store: InvestigationStore,
        answers: InvestigationAnswers,
        beginnings: Beginnings,
        environment: jinja2.Environment,
        cluster: str,
        clock: Clock,
    ) -> None:
        self._store = store
        self._answers = answers
        self._beginnings = beginnings
        self._list = environment.get_template("investigation/list.html")
        self._page = environment.get_template("investigation/page.html")
        self._file = environment.get_template("investigation/file.html")
        self._cluster = cluster
        self._clock = clock

    async def show_all(self, request: web.Request) -> web.Response:
        """`GET /investigations`, `.json`, `.csv`."""
        found = await self._store.listed(viewer_of(request))
        view = build_investigations_view(self._cluster, found, self._clock.wall_ns())
        form = request.match_info.get("form")
        if form == "json":
            return json_answer(view)
        if form == "csv":
            rows = ((one.name, one.title, one.owner, one.from_ns, one.to_ns, one.conclusion) for one in view.rows)
            header = ("name", "title", "owner", "from_ns", "to_ns", "conclusion")
            return csv_answer(csv_table(header, rows), "investigations.csv")
        return html_answer(self._list.render(view=view))

    async def show(self, request: web.Request) -> web.Response:
        """`GET /investigations/I-3`, `.json`, `.csv` (its answers)."""
        view = await self._view(viewer_of(request), await self._asked_for(request))
        form = request.match_info.get("form")
        if form == "json":
            return json_answer(view)
        if form == "csv":
            rows = [(answer.question, *row) for answer in view.answers for row in answer.rows]
            return csv_answer(csv_table(("question", "answer"), rows), f"{view.line.name}.csv")
        return html_answer(self._page.render(view=view, kinds=[kind.value for kind in QuestionKind], things=PLURALS))

    async def file(self, request: web.Request) -> web.Response:
        """`GET /investigations/I-3/file.html`: all of it in one file, to be sent to somebody or kept."""
        view = await self._view(viewer_of(request), await self._asked_for(request))
        return _file(self._file.render(view=view), "text/html", f"{view.line.name}.html")

    async def problem(self, request: web.Request) -> web.Response:
        """`GET /investigations/I-3/problem.toml` and `case.toml`: its conclusion as a known problem, a draft."""
        viewer, one = viewer_of(request), await self._asked_for(request)
        if one.conclusion is None:
            raise PageError(409, "no-conclusion", f"{one.name} has no conclusion", "Say first what it was.")
        lines, runs = await self._answers.evidence(viewer, one)
        of_case = request.match_info["what"] == "case"
        text = (case_draft if of_case else problem_draft)(one, lines, runs)
        return _file(text, "application/toml", f"{one.name.lower()}{'-case' if of_case else ''}.toml")

    async def begin(self, request: web.Request) -> web.Response:
        """`POST /investigations`: from the page named by `page`, else from the one the form stood on."""
        viewer, given = viewer_of(request), await _given(request)
        if not viewer.is_somebody and not may_change(viewer, _NOBODYS):
            raise PageError(403, "no-name", "Nobody said who you are", "Investigations have an owner: log in first.")
        now_ns = self._clock.wall_ns()
        page = given.get("page") or request.headers.get("Referer") or "/"
        begun = await _meant(self._beginnings.of_page(viewer, page, now_ns))
        if title := given.get("title"):
            begun = _changed(lambda: facts.titled(begun, now_ns, title))
        if "from" in given or "to" in given:
            begun = _changed(lambda: _moved(begun, given, now_ns))
        return await self._told(request, viewer, await _meant(self._store.keep(viewer, begun)))

    async def change(self, request: web.Request) -> web.Response:
        """`POST /investigations/I-3/changes`: `change` is note, conclude, share, unshare, ask, drop, window, title."""
        viewer, given = viewer_of(request), await _given(request)
        change = _change_of(given, viewer.who, self._clock.wall_ns())
        return await self._change(request, viewer, change)

    async def again(self, request: web.Request) -> web.Response:
        """`POST /investigations/I-3/again`: the same questions of a window as long that ends now."""
        viewer, one = viewer_of(request), await self._asked_for(request)
        begun = facts.again(one, viewer.who, self._clock.wall_ns())
        return await self._told(request, viewer, await _meant(self._store.keep(viewer, begun)))

    async def _change(self, request: web.Request, viewer: Viewer, change: _Change) -> web.Response:
        number = _number(request)
        changed = await _meant(self._store.change(viewer, number, change))
        if changed is None:
            raise _no_such(number)
        return await self._told(request, viewer, changed)

    async def _told(self, request: web.Request, viewer: Viewer, one: Investigation) -> web.Response:
        if request.path.startswith(_API):
            return json_answer(await self._view(viewer, one))
        headers = {"Location": f"/investigations/{one.name}", "Cache-Control": "no-store"}
        return web.Response(status=303, headers=headers)

    async def _view(self, viewer: Viewer, one: Investigation) -> InvestigationView:
        now_ns = self._clock.wall_ns()
        answers = await self._answers.answers(viewer, one, now_ns)
        return build_investigation_view(self._cluster, one, answers, now_ns, may_change=may_change(viewer, one))

    async def _asked_for(self, request: web.Request) -> Investigation:
        number = _number(request)
        found = await self._store.one(viewer_of(request), number)
        if found is None:
            raise _no_such(number)
        return found


_NOBODYS = Investigation(owner="", title="", from_ns=0, to_ns=1, made_ns=0, changed_ns=0)


def _change_of(given: dict[str, str], who: str, now_ns: int) -> _Change:
    text = given.get("text", "")
    changes: dict[str, _Change] = {
        "note": lambda one: facts.noted(one, who, now_ns, text),
        "conclude": lambda one: facts.concluded(one, who, now_ns, text),
        "share": lambda one: facts.shared(one, now_ns, is_shared=True),
        "unshare": lambda one: facts.shared(one, now_ns, is_shared=False),
        "ask": lambda one: facts.asked(one, now_ns, _question(given)),
        "drop": lambda one: facts.dropped(one, now_ns, int(given.get("place") or "-1")),
        "window": lambda one: _moved(one, given, now_ns),
        "title": lambda one: facts.titled(one, now_ns, text),
    }
    wanted = given.get("change", "")
    if wanted not in changes:
        raise PageError(400, "bad-change", f"{wanted[:40]!r} is no change", f"One of: {', '.join(changes)}.")
    if wanted == "drop" and number_in(given.get("place", ""), 0, facts.MOST_QUESTIONS) is None:
        raise PageError(400, "bad-place", f"{given.get('place', '')[:40]!r} is no question", "Counted from 0.")
    return changes[wanted]


def _question(given: dict[str, str]) -> Question:
    kinds = {kind.value: kind for kind in QuestionKind}
    kind, name = given.get("kind", ""), given.get("name", "")
    if kind not in kinds:
        raise PageError(400, "bad-question", f"{kind[:40]!r} cannot be asked", f"One of: {', '.join(kinds)}.")
    about = entity_of(given.get("about", ""), name, PLURALS) if name else None
    if name and about is None:
        advice = f"`about` is one of: {', '.join(PLURALS)}; `name` is its name."
        raise PageError(400, "bad-thing", f"{given.get('about', '')[:40]!r} is no kind of thing", advice)
    words = given.get("words", "").strip()[: facts.LONGEST_WORDS] or None
    return Question(kinds[kind], about, words, given.get("failed", "") not in ("", "0", "no"))


def _moved(one: Investigation, given: dict[str, str], now_ns: int) -> Investigation:
    from_ns = moment_of("from", given["from"], now_ns) if given.get("from") else one.from_ns
    to_ns = moment_of("to", given["to"], now_ns) if given.get("to") else one.to_ns
    return facts.moved(one, now_ns, from_ns, to_ns)


async def _given(request: web.Request) -> dict[str, str]:
    """What a form, or the address, says; a form comes first."""
    form = await request.post()
    told = dict(request.query) | {key: value for key, value in form.items() if isinstance(value, str)}
    long = next((key for key, value in told.items() if len(value) > MOST_FIELD), None)
    if long is not None:
        raise PageError(400, "too-long", f"{long[:40]!r} is too long", f"At most {MOST_FIELD} characters.")
    return told


def _changed(change: Callable[[], Investigation]) -> Investigation:
    try:
        return change()
    except DecodeError as error:
        raise PageError(400, error.reason, str(error), "The same with other values will do.") from error


async def _meant(work: Awaitable[_Kept]) -> _Kept:
    """What a change gives; what it cannot be is told as an answer."""
    try:
        return await work
    except DecodeError as error:
        raise PageError(400, error.reason, str(error), "The same with other values will do.") from error
    except RefusedError as error:
        advice = "Its owner and operators may change it; `again` makes one of your own."
        raise PageError(error.status, error.reason, str(error), advice) from error


def _number(request: web.Request) -> int:
    text = request.match_info["number"].removeprefix("I-")
    number = number_in(text, 1, MOST_NUMBER)
    if number is None:
        raise PageError(404, "no-such-investigation", f"{text[:40]!r} is no investigation", "They are numbered: I-3.")
    return number


def _no_such(number: int) -> PageError:
    message = f"There is no investigation I-{number} that you may see"
    return PageError(404, "no-such-investigation", message, "Its owner can share it.")


def _file(text: str, content_type: str, name: str) -> web.Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return web.Response(text=text, content_type=content_type, charset="utf-8", headers=headers)
