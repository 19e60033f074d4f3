"""Findings: the list, one with its guide, what people say of it, and all that they said.

Fed by the findings' room. What is said comes by forms of these pages (the origin of which `host_check` looks at), from
those who may (operators); everybody else is shown what touches his own jobs.
"""

from __future__ import annotations

import jinja2
from aiohttp import web

from slurmlens.clock import Clock
from slurmlens.errors import PageError, RefusedError
from slurmlens.hub.findings.claims import FindingKind, Word
from slurmlens.hub.findings.facts import FindingFacts, FindingFilter
from slurmlens.hub.findings.room import MOST_LABEL, may_judge
from slurmlens.hub.views.finding.build import build_feedback_view, build_finding_view, build_findings_view
from slurmlens.hub.views.finding.table import all_lines, feedback_csv, findings_csv
from slurmlens.hub.web.addresses import MOST_ROWS, number_in
from slurmlens.hub.web.answers import csv_answer, html_answer, json_answer
from slurmlens.hub.web.ports import FindingReads
from slurmlens.hub.web.session import viewer_of

MOST_NUMBER = 10**15
MOST_HOURS = 2160
MOST_WORDS = 10_000
WHILE_RESERVED = "reserved"
"""In the place of a silence's hours."""


class FindingsPage:
    """All forms of findings."""

    def __init__(self, room: FindingReads, environment: jinja2.Environment, cluster: str, clock: Clock) -> None:
        self._room = room
        self._list = environment.get_template("finding/list.html")
        self._page = environment.get_template("finding/page.html")
        self._cluster = cluster
        self._clock = clock

    async def show_all(self, request: web.Request) -> web.Response:
        """`GET /findings`, `.json`, `.csv`; `state=over` for those that are over, `kind`, `limit`."""
        wanted = _wanted(request)
        findings = await self._room.listed(viewer_of(request), wanted)
        view = build_findings_view(self._cluster, findings, self._clock.wall_ns(), is_over=wanted.is_over)
        form = request.match_info.get("form")
        if form == "json":
            return json_answer(view)
        if form == "csv":
            return csv_answer(findings_csv(all_lines(view)), "findings.csv")
        return html_answer(self._list.render(view=view))

    async def show(self, request: web.Request) -> web.Response:
        """`GET /findings/F-12`, `.json`, `.csv` (its incident)."""
        viewer, number = viewer_of(request), _number(request)
        facts = await self._room.one(viewer, number)
        if facts is None:
            raise _no_such_finding(number)
        now_ns = self._clock.wall_ns()
        view = build_finding_view(self._cluster, facts, self._room.problems, now_ns, may_judge=may_judge(viewer))
        form = request.match_info.get("form")
        if form == "json":
            return json_answer(view)
        if form == "csv":
            return csv_answer(findings_csv([view.finding, *view.incident]), f"{view.finding.name}.csv")
        return html_answer(self._page.render(view=view))

    async def say(self, request: web.Request) -> web.Response:
        """`POST /findings/F-12/words`: `word`, and `label` or `hours` with it (`reserved`: while its node is)."""
        viewer, number = viewer_of(request), _number(request)
        _may_judge_or_refuse(request)
        given = await request.post()
        told = {key: value for key in ("word", "label", "hours") if isinstance(value := given.get(key), str)}
        word = _word(told.get("word", ""))
        label = _label(told.get("label", "")) if word is Word.LABEL else None
        is_timed = word is Word.SILENCE and told.get("hours") != WHILE_RESERVED
        silence_s = _hours(told.get("hours", "")) * 3600.0 if is_timed else None
        try:
            facts = await self._room.say(viewer, number, word, label=label, silence_s=silence_s)
        except RefusedError as error:
            raise PageError(error.status, error.reason, str(error), "Silence it for some hours instead.") from error
        return _seen_again(number, facts)

    async def undo(self, request: web.Request) -> web.Response:
        """`POST /findings/F-12/words/3/undo`."""
        _may_judge_or_refuse(request)
        number, word = _number(request), int(request.match_info["word"])
        return _seen_again(number, await self._room.undo(viewer_of(request), number, word))

    async def feedback(self, request: web.Request) -> web.Response:
        """`GET /findings/feedback.json`, `.csv`: everything that was said, for whoever sees all jobs."""
        words = await self._room.words(viewer_of(request), MOST_WORDS)
        view = build_feedback_view(self._cluster, words, self._clock.wall_ns())
        if request.match_info.get("form") == "csv":
            return csv_answer(feedback_csv(view), "feedback.csv")
        return json_answer(view)


def _may_judge_or_refuse(request: web.Request) -> None:
    if not may_judge(viewer_of(request)):
        raise PageError(403, "role", "Findings are judged by operators", "Ask one of them, with the finding's number.")


def _seen_again(number: int, facts: FindingFacts | None) -> web.Response:
    if facts is None:
        raise _no_such_finding(number)
    return web.Response(
        status=303, headers={"Location": f"/findings/{facts.finding.name}", "Cache-Control": "no-store"}
    )


def _number(request: web.Request) -> int:
    text = request.match_info["number"].removeprefix("F-")
    number = number_in(text, 1, MOST_NUMBER)
    if number is None:
        raise PageError(404, "no-such-finding", f"{text[:40]!r} is no finding", "Findings are at /findings.")
    return number


def _no_such_finding(number: int) -> PageError:
    return PageError(404, "no-such-finding", f"The hub knows no finding F-{number}", "Findings are at /findings.")


def _wanted(request: web.Request) -> FindingFilter:
    kind, limit, state = (request.query.get(name) for name in ("kind", "limit", "state"))
    if state not in (None, "", "open", "over"):
        raise PageError(400, "bad-filter", f"state={state[:40]!r} is no state of findings", "One of: open, over.")
    kinds = {one.value: one for one in FindingKind}
    if kind and kind not in kinds:
        raise PageError(400, "bad-filter", f"kind={kind[:40]!r} is no kind", f"One of: {', '.join(sorted(kinds))}.")
    most = number_in(limit, 1, MOST_ROWS) if limit else FindingFilter().limit
    if most is None:
        message = f"limit={(limit or '')[:40]!r} cannot be used"
        raise PageError(400, "bad-filter", message, f"A number from 1 to {MOST_ROWS}.")
    return FindingFilter(is_over=state == "over", kind=kinds[kind] if kind else None, limit=most)


def _word(text: str) -> Word:
    words = {one.value: one for one in Word}
    if text not in words:
        raise PageError(400, "bad-word", f"{text[:40]!r} cannot be said", f"One of: {', '.join(words)}.")
    return words[text]


def _label(text: str) -> str:
    label = " ".join(text.split())[:MOST_LABEL]
    if not label:
        raise PageError(400, "bad-label", "A label needs a word", f"At most {MOST_LABEL} characters.")
    return label


def _hours(text: str) -> int:
    hours = number_in(text.strip(), 1, MOST_HOURS)
    if hours is None:
        raise PageError(400, "bad-hours", f"{text[:40]!r} hours cannot be", f"A number from 1 to {MOST_HOURS}.")
    return hours
