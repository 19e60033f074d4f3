"""Answers the questions of an investigation, each to whoever looks, by the reads that the pages use.

Owns which read answers which question. A question that fails is answered by what went wrong; the others stand. Fed by
`web.pages.investigations`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from slurmlens.errors import SlurmlensError
from slurmlens.hub.access.control import AccessControl
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.findings.claims import Finding
from slurmlens.hub.findings.facts import FindingFilter
from slurmlens.hub.inventory.entities import Entity, EntityKind
from slurmlens.hub.inventory.runs import PlacedRun
from slurmlens.hub.investigations.facts import Investigation, Question, QuestionKind
from slurmlens.hub.logs.query import MOST_LINES, LogQuery, StoredLine
from slurmlens.hub.logs.store import LogReads
from slurmlens.hub.views.common_cause.build import build_common_cause_view
from slurmlens.hub.views.investigation.build import (
    causes_answer,
    changes_answer,
    findings_answer,
    lines_answer,
    runs_answer,
    unanswered,
)
from slurmlens.hub.views.investigation.view import AnswerView
from slurmlens.hub.web.ports import FindingReads, InventoryReads

MOST_RUNS = 500
AT_ONCE = 4
"""Questions of one page that are asked side by side: the slowest is what one waits for."""
_NO_INVENTORY = frozenset({"job", "campaign"})


class InvestigationAnswers:
    """Asks what an investigation asks."""

    def __init__(
        self,
        inventory: InventoryReads,
        findings: FindingReads | None,
        logs: LogReads | None,
        cluster: str,
        control: AccessControl,
    ) -> None:
        self._inventory = inventory
        self._findings = findings
        self._logs = logs
        self._cluster = cluster
        self._control = control

    async def answers(self, viewer: Viewer, one: Investigation, now_ns: int) -> list[AnswerView]:
        """All of it, in the order of its questions; whose jobs were shown is kept as a look at them."""
        users: set[str | None] = set()
        turns = asyncio.Semaphore(AT_ONCE)

        async def in_turn(question: Question) -> AnswerView:
            async with turns:
                return await self._answer(viewer, question, one.window, now_ns, users)

        answers = await asyncio.gather(*map(in_turn, one.questions))
        self._control.saw_list(viewer, f"investigation {one.name}", users)
        return answers

    async def _answer(
        self, viewer: Viewer, question: Question, window: tuple[int, int], now_ns: int, users: set[str | None]
    ) -> AnswerView:
        try:
            return await self._asked(viewer, question, window, now_ns, users)
        except SlurmlensError as error:
            return unanswered(question, window, f"No answer: {error}")

    async def _asked(
        self, viewer: Viewer, question: Question, window: tuple[int, int], now_ns: int, users: set[str | None]
    ) -> AnswerView:
        if question.kind is QuestionKind.JOBS:
            runs = await self.runs(viewer, question, window)
            users.update(run.user for run in runs)
            return runs_answer(question, window, runs, more=len(runs) >= MOST_RUNS)
        if question.kind is QuestionKind.LINES:
            lines, more = await self.lines(viewer, question, window)
            users.update(stored.owner.user for stored in lines if stored.line.job_id is not None)
            return lines_answer(question, window, lines, more=more)
        if question.kind is QuestionKind.FINDINGS:
            return findings_answer(question, window, await self._found(viewer, question.about, window))
        if question.kind is QuestionKind.COMMON_CAUSE:
            answer = await self._inventory.common_cause(viewer, *window)
            return causes_answer(question, window, build_common_cause_view(self._cluster, answer, *window, now_ns))
        about = question.about
        if about is None or about.kind in _NO_INVENTORY:
            return unanswered(question, window, "Only things of the inventory change.")
        history = await self._inventory.entity(viewer, about, window[1], window[0])
        return changes_answer(question, window, history.facts)

    async def runs(self, viewer: Viewer, question: Question, window: tuple[int, int]) -> Sequence[PlacedRun]:
        """Runs that were there in the window."""
        return await self._inventory.runs(viewer, question.about, window, MOST_RUNS, failed=question.failed)

    async def lines(
        self, viewer: Viewer, question: Question, window: tuple[int, int]
    ) -> tuple[Sequence[StoredLine], bool]:
        """Log lines of the window, and whether there are more."""
        if self._logs is None:
            return (), False
        query = LogQuery(since_ns=window[0], until_ns=window[1], text=question.words, limit=200)
        page = await self._logs.search(viewer, _narrowed(query, question.about))
        return page.lines, page.has_more

    async def evidence(self, viewer: Viewer, one: Investigation) -> tuple[list[StoredLine], list[PlacedRun]]:
        """Lines and runs that its questions find: what a known problem is drafted from."""
        lines: list[StoredLine] = []
        runs: list[PlacedRun] = []
        for question in one.questions:
            if question.kind is QuestionKind.LINES:
                lines += (await self.lines(viewer, question, one.window))[0]
            elif question.kind is QuestionKind.JOBS:
                runs += await self.runs(viewer, question, one.window)
        return lines[:MOST_LINES], runs

    async def _found(self, viewer: Viewer, about: Entity | None, window: tuple[int, int]) -> list[Finding]:
        if self._findings is None:
            return []
        if about is not None and about.kind == "job":
            runs = await self._inventory.runs(viewer, about, window, MOST_RUNS)
            found = [one for run in runs for one in await self._findings.of_job(viewer, run.job_id, run.run)]
        elif about is not None:
            found = list(await self._findings.of_entity(viewer, about))
        else:
            found = list(await self._findings.listed(viewer, FindingFilter()))
            found += await self._findings.listed(viewer, FindingFilter(is_over=True))
        unique = {one.number: one for one in found}.values()
        return [one for one in unique if one.claim.from_ns <= window[1] and one.claim.to_ns >= window[0]]


def _narrowed(query: LogQuery, about: Entity | None) -> LogQuery:
    if about is None:
        return query
    if about.kind == "job":
        job_id = about.name.partition("/")[0]
        return msgspec.structs.replace(query, job_id=int(job_id) if job_id.isdecimal() else 0)
    if about.kind == EntityKind.NODE.value:
        return msgspec.structs.replace(query, node=about.name)
    if about.kind == EntityKind.USER.value:
        return msgspec.structs.replace(query, user=about.name)
    if about.kind == EntityKind.PARTITION.value:
        return msgspec.structs.replace(query, partition=about.name)
    return query
