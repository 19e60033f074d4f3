"""Investigations begin on any page, ask what one asks next, are kept, shared, run again, and become known problems."""

from __future__ import annotations

import asyncio
import datetime
import re
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.errors import DecodeError, RefusedError
from slurmlens.hub.access.control import AccessControl
from slurmlens.hub.access.viewer import EVERYBODY, Role, Viewer
from slurmlens.hub.findings.problems.cases import claims_of, read_cases
from slurmlens.hub.findings.problems.problem_file import read_problem
from slurmlens.hub.inventory.entities import Entity
from slurmlens.hub.inventory.runs import PlacedRun
from slurmlens.hub.investigations import facts
from slurmlens.hub.investigations.beginning import around, begin
from slurmlens.hub.investigations.facts import Investigation, Question, QuestionKind
from slurmlens.hub.investigations.keeping import InvestigationStore
from slurmlens.hub.investigations.problem_draft import case_draft, problem_draft
from slurmlens.hub.logs.query import JobOwner, LogPlace, StoredLine
from slurmlens.hub.logs.understanding import understood
from slurmlens.hub.views.investigation.terminal import render_investigation, render_investigations
from slurmlens.hub.views.investigation.view import InvestigationsView, InvestigationView
from slurmlens.hub.web.investigating import InvestigationAnswers
from slurmlens.log_lines import LogLine
from slurmlens.shown.terminal import Sheet
from slurmlens.slurm.records import JobState
from testkit.hub_history import History
from testkit.job_hub import FixedInventory
from testkit.manual_clock import ManualClock
from testkit.ruled_hub import RuledHub, browser, ruled_hub

NOW_NS = 1_800_000_000 * 10**9
NODE, JOB = Entity("node", "n1"), Entity("job", "42")
ALICE, BOB = (Viewer(name, frozenset({Role.USER})) for name in ("alice", "bob"))
SHEET = Sheet(zone=datetime.UTC)


def begun(*entities: Entity, who: str = "alice") -> Investigation:
    return begin(who, NOW_NS, "What broke", (NOW_NS - 3600 * 10**9, NOW_NS), entities or (NODE,))


# --- what one is


def test_what_begins_on_a_job_asks_for_its_runs_lines_findings_nodes_and_the_common_cause() -> None:
    one = begun(JOB, NODE)
    kinds = [(question.kind.value, question.about) for question in one.questions]
    assert kinds == [
        ("findings", JOB),
        ("jobs", JOB),
        ("findings", NODE),
        ("jobs", NODE),
        ("common-cause", None),
        ("lines", JOB),
        ("changes", NODE),
        ("lines", NODE),
    ]


def test_again_asks_the_same_of_a_window_as_long_that_ends_now() -> None:
    first = facts.concluded(begun(), "alice", NOW_NS, "a loose DIMM")
    later = facts.again(msgspec.structs.replace(first, number=3), "bob", NOW_NS + 10**12)
    assert (later.questions, later.owner, later.again_of) == (first.questions, "bob", 3)
    assert (later.to_ns, later.to_ns - later.from_ns) == (NOW_NS + 10**12, 3600 * 10**9)
    assert (later.conclusion, later.notes, later.is_shared) == (None, (), False)


@pytest.mark.parametrize("text", ["", "  \n ", "x" * (facts.LONGEST_TEXT + 1)])
def test_a_note_of_nothing_or_of_too_much_is_refused(text: str) -> None:
    with pytest.raises(DecodeError, match="a note"):
        facts.noted(begun(), "alice", NOW_NS, text)


def test_notes_questions_and_windows_have_bounds() -> None:
    one = begun()
    full = msgspec.structs.replace(one, notes=tuple([facts.InvestigationNote("a", 1, "b")] * facts.MOST_NOTES))
    with pytest.raises(RefusedError, match="200 notes"):
        facts.noted(full, "alice", NOW_NS, "one more")
    for number in range(facts.MOST_QUESTIONS - len(one.questions)):
        one = facts.asked(one, NOW_NS, Question(QuestionKind.LINES, words=str(number)))
    with pytest.raises(RefusedError, match="20 questions"):
        facts.asked(one, NOW_NS, Question(QuestionKind.LINES, words="more"))
    for window in ((5, 5), (9, 3), (-1, 4), (0, facts.LONGEST_WINDOW_NS + 1)):
        with pytest.raises(DecodeError, match="window"):
            facts.moved(one, NOW_NS, *window)


@given(st.none() | st.integers(0, 2**62), st.none() | st.integers(0, 2**62), st.integers(1, 2**62))
def test_a_window_around_anything_begins_before_it_ends_and_ends_by_now(
    begin_ns: int | None, end_ns: int | None, now_ns: int
) -> None:
    from_ns, to_ns = around(begin_ns, end_ns, now_ns)
    assert 0 <= from_ns < to_ns <= now_ns


# --- kept


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[InvestigationStore]:
    history = await History.open(f"sqlite:///{tmp_path}/hub.sqlite3", ManualClock())
    yield InvestigationStore(history.store, "demo")
    await history.close()


async def test_its_owner_and_operators_see_it_others_once_it_is_shared(store: InvestigationStore) -> None:
    kept = await store.keep(ALICE, begun())
    assert (kept.name, await store.one(BOB, 1), await store.listed(BOB)) == ("I-1", None, [])
    assert [len(await store.listed(viewer)) for viewer in (ALICE, EVERYBODY)] == [1, 1]
    assert await store.change(BOB, 1, lambda one: facts.titled(one, 1, "mine")) is None
    await store.change(ALICE, 1, lambda one: facts.shared(one, NOW_NS, is_shared=True))
    assert await store.one(BOB, 1) is not None
    with pytest.raises(RefusedError, match="alice's"):
        await store.change(BOB, 1, lambda one: facts.titled(one, 1, "mine"))


async def test_two_notes_at_once_are_two_notes(store: InvestigationStore) -> None:
    import asyncio

    await store.keep(ALICE, begun())
    await asyncio.gather(
        *(store.change(ALICE, 1, lambda one, n=n: facts.noted(one, "alice", n, f"note {n}")) for n in range(20))
    )
    one = await store.one(ALICE, 1)
    assert one is not None
    assert sorted(note.at_ns for note in one.notes) == list(range(20))


# --- a known problem


def stored(message: str, program: str = "kernel", job_id: int | None = 42) -> StoredLine:
    line = understood(LogLine(id="1", node="n1", time_ns=NOW_NS, severity=3, program=program, message=message))
    return StoredLine(msgspec.structs.replace(line, job_id=job_id), JobOwner("alice"), LogPlace(NOW_NS, 1))


def failed(job_id: int) -> PlacedRun:
    return PlacedRun(job_id=job_id, run=1, state=JobState.FAILED, user="alice", end_ns=NOW_NS, nodes=("n1",))


OOM = 'Memory cgroup out of memory: Killed process 7 (a"b\\) total-vm:1kB, anon-rss:1kB, file-rss:0kB, shmem-rss:0kB'


@pytest.mark.parametrize("entities", [(NODE,), (JOB,), (Entity("user", "alice"),)], ids=["node", "job", "user"])
@pytest.mark.parametrize("lines", [[stored(OOM)], []], ids=["with lines", "by runs alone"])
def test_a_conclusion_becomes_a_problem_that_finds_its_own_case(
    tmp_path: Path, entities: tuple[Entity, ...], lines: list[StoredLine]
) -> None:
    one = facts.concluded(begun(*entities), "alice", NOW_NS, 'a "loose"\nDIMM \\ 4\x7f')
    runs = [failed(42), failed(43)]
    (tmp_path / "loose-dimm.toml").write_text(problem_draft(one, lines, runs))
    (tmp_path / "case.toml").write_text(case_draft(one, lines, runs))
    problem = read_problem(tmp_path / "loose-dimm.toml")
    assert (problem.why, problem.about) == ('a "loose"\nDIMM \\ 4\x7f', entities[0].kind)
    (case,) = read_cases(tmp_path / "case.toml")
    assert claims_of(problem, case) != []


# --- in a browser


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RuledHub]:
    async with ruled_hub(tmp_path) as served:
        yield served


async def get(hub: RuledHub, person: str, path: str) -> tuple[int, str]:
    async with browser(hub) as client, client.get(path, cookies=await hub.cookies(person)) as answer:
        return answer.status, await answer.text()


async def post(hub: RuledHub, person: str, path: str, referer: str | None = None, **fields: str) -> tuple[int, str]:
    headers = {"Origin": hub.url} | ({} if referer is None else {"Referer": hub.url + referer})
    cookies = await hub.cookies(person)
    async with (
        browser(hub) as client,
        client.post(path, data=fields, cookies=cookies, headers=headers, allow_redirects=False) as answer,
    ):
        return answer.status, answer.headers.get("Location", "")


@pytest.mark.parametrize(
    ("page", "things"),
    [
        ("/jobs/42", ["job 42", "node n1"]),
        ("/nodes/n1?since=2026-11-01T00:00:00Z", ["node n1"]),
        ("/findings/F-1", ["node n1", "user bob", "job 42"]),
        ("/logs?node=n1&text=oom", ["node n1"]),
        ("/jobs?user=bob&state=failed", ["user bob"]),
        ("/common-cause", []),
        ("/", []),
    ],
)
async def test_one_click_on_any_page_begins_one_of_what_it_shows(hub: RuledHub, page: str, things: list[str]) -> None:
    _, shown = await get(hub, "olga", page)
    assert 'action="/investigations" method="post"' in shown
    assert await post(hub, "olga", "/investigations", referer=page) == (303, "/investigations/I-2")
    view = msgspec.json.decode((await get(hub, "olga", "/api/v1/investigations/I-2"))[1], type=InvestigationView)
    names = [f"{thing.kind} {thing.name}" for thing in view.line.things]
    assert [name for name in things if name not in names] == []
    assert view.begun_at == page
    assert view.answers
    assert [answer.problem for answer in view.answers if answer.problem] == []
    status, shown = await get(hub, "olga", "/investigations/I-2")
    assert status == 200
    for answer in view.answers:  # what says it is live is there
        assert (await get(hub, "olga", answer.address))[0] == 200, answer.address


async def test_whoever_opens_a_shared_one_is_answered_what_he_may_see(hub: RuledHub) -> None:
    await post(hub, "olga", "/investigations", referer="/nodes/n1?since=2026-08-01T00:00:00Z&at=2027-08-01T00:00:00Z")
    await post(hub, "olga", "/investigations/I-2/changes", change="ask", kind="jobs", about="node", name="n1")
    assert (await get(hub, "alice", "/investigations/I-2"))[0] == 404
    await post(hub, "olga", "/investigations/I-2/changes", change="share")
    seen = {person: (await get(hub, person, "/investigations/I-2.csv"))[1] for person in ("olga", "alice", "bob")}
    jobs = {person: set(re.findall(r"^Runs of node n1,(\d+)", text, re.M)) for person, text in seen.items()}
    assert "42" in jobs["olga"] & jobs["bob"]
    assert "42" not in jobs["alice"]


async def test_notes_and_the_conclusion_stand_on_page_and_file_and_hold_no_markup(hub: RuledHub) -> None:
    changes = {"note": "<script>alert(1)</script> seen", "conclude": "a loose <b>DIMM</b>"}
    for change, text in changes.items():
        assert (await post(hub, "bob", "/investigations/I-1/changes", change=change, text=text))[0] == 303
    for path in ("/investigations/I-1", "/investigations/I-1/file.html"):
        _, page = await get(hub, "bob", path)
        assert "&lt;script&gt;alert(1)" in page
        assert "a loose &lt;b&gt;DIMM" in page
    _, file = await get(hub, "bob", "/investigations/I-1/file.html")
    assert "href=" not in file
    assert "<script" not in file
    status, problem = await get(hub, "bob", "/investigations/I-1/problem.toml")
    assert (status, tomllib.loads(problem)["why"]) == (200, "a loose <b>DIMM</b>")
    assert tomllib.loads((await get(hub, "bob", "/investigations/I-1/case.toml"))[1])["case"][0]["matches"] is True


@pytest.mark.parametrize(
    "fields",
    [
        {"change": "burn"},
        {"change": "note", "text": ""},
        {"change": "ask", "kind": "weather"},
        {"change": "ask", "kind": "jobs", "about": "dragon", "name": "x"},
        {"change": "drop", "place": "x"},
        {"change": "window", "from": "yesterday"},
        {"change": "window", "from": "1h", "to": "2h"},
        {"change": "title", "text": " "},
        {"change": "note", "text": "x" * 9_000},
    ],
)
async def test_what_cannot_be_done_is_refused_with_a_reason(hub: RuledHub, fields: dict[str, str]) -> None:
    assert (await post(hub, "bob", "/investigations/I-1/changes", **fields))[0] == 400


async def test_a_job_that_one_may_not_see_begins_one_that_tells_nothing_of_it(hub: RuledHub) -> None:
    await post(hub, "alice", "/investigations", referer="/jobs/42")
    view = msgspec.json.decode((await get(hub, "alice", "/api/v1/investigations/I-2"))[1], type=InvestigationView)
    assert view.line.things == ()
    assert "FAILED" not in view.line.title


async def test_a_terminal_shows_the_same(hub: RuledHub) -> None:
    await post(hub, "bob", "/investigations/I-1/changes", change="conclude", text="a loose DIMM")
    view = msgspec.json.decode((await get(hub, "bob", "/investigations/I-1.json"))[1], type=InvestigationView)
    text = render_investigation(view, SHEET)
    assert "a loose DIMM" in text
    assert "Runs of job 42" in text
    listed = msgspec.json.decode((await get(hub, "bob", "/investigations.json"))[1], type=InvestigationsView)
    assert "I-1    Job 42" in render_investigations(listed, SHEET)


async def test_questions_are_asked_side_by_side_and_answered_in_their_order() -> None:
    class Slowly(FixedInventory):
        """Nobody is answered before two have asked."""

        def __init__(self) -> None:
            super().__init__()
            self._both = asyncio.Barrier(2)

        async def runs(
            self, viewer: Viewer, about: Entity | None, window: tuple[int, int], most: int, *, failed: bool = False
        ) -> list[PlacedRun]:
            await asyncio.wait_for(self._both.wait(), 10)
            return []

    one = msgspec.structs.replace(
        begun(), questions=(Question(QuestionKind.JOBS, NODE), Question(QuestionKind.JOBS, JOB))
    )
    asked = InvestigationAnswers(Slowly(), None, None, "demo", AccessControl())
    answers = await asked.answers(EVERYBODY, one, NOW_NS)
    assert len({answer.question for answer in answers}) == 2
    assert "n1" in answers[0].question
