"""What an investigation is about that begins on a page: the page's thing, its window, its own question.

Owns how an address of a page becomes the beginning of an investigation. What is read on the way is read as whoever
begins it, so that a page that he may not see begins nothing but an empty one. Fed by `pages.investigations`.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

from slurmlens.errors import PageError
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.findings.claims import Finding
from slurmlens.hub.history.facts import JobFacts
from slurmlens.hub.inventory.entities import Entity
from slurmlens.hub.investigations.beginning import around, begin
from slurmlens.hub.investigations.facts import LONGEST_WORDS, Investigation, Question, QuestionKind
from slurmlens.hub.views.neighbourhood.build import PLURALS
from slurmlens.hub.web.addresses import job_reference, moment_of, number_in
from slurmlens.hub.web.ports import FindingReads, HistoryQueries

MOST_NODES = 8
MOST_PAGE = 2_000
DAY_NS = 86_400 * 10**9
_KINDS = {plural: kind for kind, plural in PLURALS.items() if kind != "job"}
_FILTERS = ("node", "user", "account", "partition")


class Beginnings:
    """Reads what a page is about."""

    def __init__(self, queries: HistoryQueries, findings: FindingReads | None) -> None:
        self._queries = queries
        self._findings = findings

    async def of_page(self, viewer: Viewer, page: str, now_ns: int) -> Investigation:
        """An investigation, not kept yet, that begins on this page (an address, with or without its host)."""
        parts = urlsplit(page[:MOST_PAGE])
        path = [unquote(part) for part in parts.path.split("/") if part]
        query = {key: value for key, value in parse_qsl(parts.query) if value.strip()}
        begun_at = parts.path + (f"?{parts.query}" if parts.query else "")
        who = viewer.who
        if path[:1] == ["jobs"] and len(path) > 1:
            facts = await self._job(viewer, path[1], path[2] if len(path) > 2 else None)
            if facts is not None:
                return _of_job(who, facts, begun_at, now_ns)
        if path[:1] == ["findings"] and len(path) > 1 and self._findings is not None:
            number = number_in(path[1].removeprefix("F-"), 1, 10**15)
            found = None if number is None else await self._findings.one(viewer, number)
            if found is not None:
                return _of_finding(who, found.finding, begun_at, now_ns)
        window = _window(query, now_ns)
        if len(path) == 2 and path[0] in _KINDS:
            thing = Entity(_KINDS[path[0]], path[1])
            return begin(who, now_ns, f"{thing.kind} {thing.name}", window, [thing], begun_at=begun_at)
        things, own = _of_list(path, query)
        title = (" ".join(f"{one.kind} {one.name}" for one in things) or "What went wrong") if path else "A look around"
        return begin(who, now_ns, title, window, things, questions=own, begun_at=begun_at)

    async def _job(self, viewer: Viewer, name: str, run_text: str | None) -> JobFacts | None:
        run = None if run_text is None else number_in(run_text, 1, 10**6)
        try:
            job_id = await self._queries.own_job_id(viewer, job_reference(name))
        except PageError:
            return None
        return None if job_id is None else await self._queries.job_facts(viewer, job_id, run)


def _of_job(who: str, facts: JobFacts, begun_at: str, now_ns: int) -> Investigation:
    name = f"{facts.job_id}/{facts.run}" if facts.run > 1 else str(facts.job_id)
    nodes = list(facts.record.nodes) if facts.record else [node.node for node in facts.nodes]
    things = [Entity("job", name), *(Entity("node", node) for node in nodes[:MOST_NODES])]
    words = (facts.record.name if facts.record else None) or ""
    title = f"Job {name} {words} {facts.outcome.state.value}"
    window = around(facts.start_ns or facts.submit_ns, facts.end_ns, now_ns)
    return begin(who, now_ns, title, window, things, begun_at=begun_at)


def _of_finding(who: str, finding: Finding, begun_at: str, now_ns: int) -> Investigation:
    claim = finding.claim
    things = [claim.subject, *(one for one in claim.entities[:MOST_NODES] if one != claim.subject)]
    things += [Entity("job", str(job_id)) for job_id in claim.jobs[:MOST_NODES]]
    window = around(claim.from_ns, claim.to_ns, now_ns)
    return begin(who, now_ns, f"{finding.name} {claim.hint}", window, things, begun_at=begun_at)


def _of_list(path: list[str], query: Mapping[str, str]) -> tuple[list[Entity], list[Question]]:
    """Things and the question that the filters of a list name."""
    things = [Entity(kind, query[kind]) for kind in _FILTERS if kind in query]
    if path[:1] == ["logs"]:
        if "job" in query:
            things.insert(0, Entity("job", query["job"]))
        words = query.get("text", "")[:LONGEST_WORDS] or None
        return things, [Question(QuestionKind.LINES, things[0] if things else None, words)]
    if path[:1] == ["jobs"]:
        failed = query.get("state", "").lower() in ("failed", "timeout", "node_fail", "out_of_memory")
        return things, [Question(QuestionKind.JOBS, one, failed=failed) for one in things]
    return things, []


def _window(query: Mapping[str, str], now_ns: int) -> tuple[int, int]:
    """What the page's address names; the last day where it names none, or none that can be used."""
    try:
        to_ns = _moment(query, ("until", "to", "at"), now_ns, now_ns)
        from_ns = _moment(query, ("since", "from"), to_ns - DAY_NS, now_ns)
    except PageError:
        return now_ns - DAY_NS, now_ns
    return (from_ns, to_ns) if from_ns < to_ns else (to_ns - DAY_NS, to_ns)


def _moment(query: Mapping[str, str], names: tuple[str, ...], otherwise_ns: int, now_ns: int) -> int:
    text = next((query[name] for name in names if name in query), None)
    if text is None:
        return otherwise_ns
    if (seconds := number_in(text, 0, 9_214_646_399)) is not None:
        return seconds * 10**9
    return moment_of("since", text, now_ns)
