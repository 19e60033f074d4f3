"""A conclusion as a known problem: a file to be completed by hand, and a case of it made of the lines that were seen.

Pure. What is written reads as `findings.problems.problem_file` and `findings.problems.cases` want it, so that
`slurmlens problems test` tells at once whether the draft finds its own incident. Fed by `web.pages.investigations`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from slurmlens.hub.findings.problems.problem_file import KINDS
from slurmlens.hub.inventory.runs import PlacedRun
from slurmlens.hub.investigations.facts import Investigation
from slurmlens.hub.logs.query import StoredLine
from slurmlens.log_lines import Severity

MOST_KINDS = 3
MOST_LINES = 5
_ABOUT = ("node", "job", "user")
_HEAD = """# A draft, made of the conclusion of {name}: say what helps, then try it:
#   slurmlens problems test FILE --on CASE
# and put it into the folder of known problems (`[findings] problems_path`)."""


def about_of(one: Investigation) -> str:
    """What one incident is about: a node where the investigation names one, else a job, else a user."""
    kinds = {entity.kind for entity in one.entities}
    return next((about for about in _ABOUT if about in kinds), "node")


def problem_draft(one: Investigation, lines: Sequence[StoredLine], runs: Sequence[PlacedRun]) -> str:
    """The problem's file."""
    about, kinds = about_of(one), telling_kinds(lines)
    why = one.conclusion.text if one.conclusion else ""
    parts = [
        _HEAD.format(name=one.name),
        f"title = {_text(one.title)}",
        f"about = {_text(about)}",
        f"why = {_text(why)}",
        f"source = {_text(f'investigation {one.name}')}",
        "",
        "[[all]]",
        *_sign(about, kinds, runs),
        "",
        "[remedy]",
        'text = "say what helps"',
        "",
        "[verify]",
        *_verification(about, kinds),
    ]
    return "\n".join(parts) + "\n"


def case_draft(one: Investigation, lines: Sequence[StoredLine], runs: Sequence[PlacedRun]) -> str:
    """Its case: the lines, or the runs, that it was found by."""
    kinds = telling_kinds(lines)
    told = [stored for stored in lines if stored.line.kind in kinds][:MOST_LINES]
    parts = ["[[case]]", f"name = {_text(f'as seen in {one.name}')}", "matches = true"]
    if told:
        parts += ["lines = [", *(f"  {_line(stored)}," for stored in told), "]"]
    else:
        parts += ["runs = [", *(f"  {_run(run)}," for run in _failed(runs)[:MOST_LINES]), "]"]
    return "\n".join(parts) + "\n"


def telling_kinds(lines: Sequence[StoredLine]) -> tuple[str, ...]:
    """The kinds of lines that were seen most, worse ones before others, that a sign can look for."""
    seen = Counter(one.line.kind for one in lines if one.line.kind in KINDS)
    bad = {one.line.kind for one in lines if one.line.severity <= Severity.WARNING}
    ordered = sorted(seen, key=lambda kind: (kind not in bad, -seen[kind], kind or ""))
    return tuple(kind for kind in ordered[:MOST_KINDS] if kind is not None)


def _sign(about: str, kinds: Collection[str], runs: Sequence[PlacedRun]) -> Iterator[str]:
    if kinds:
        yield f"event = {json.dumps(list(kinds))}"
    elif about == "job":
        states = sorted({run.state.value for run in _failed(runs)}) or ["FAILED"]
        yield f"job_state = {json.dumps(states)}"
    else:
        yield 'figure = "failed_runs"'
        yield f"at_least = {max(1, len(_failed(runs)))}"


def _verification(about: str, kinds: Collection[str]) -> Iterator[str]:
    if about == "node":
        yield 'text = "out of service, or two runs in a row went well there"'
        yield "contained = true"
        yield "completed_runs = 2"
    elif kinds:
        yield 'text = "no such line for an hour"'
        yield "quiet_s = 3600"
    else:
        yield 'text = "a later run of the same name went well"'
        yield "same_job_completed = true"


def _failed(runs: Sequence[PlacedRun]) -> list[PlacedRun]:
    return [run for run in runs if run.state.has_ended and run.state.value != "COMPLETED"]


def _line(stored: StoredLine) -> str:
    line = stored.line
    fields = {"node": line.node, "program": line.program or "kernel", "text": line.message}
    more = {} if stored.owner.user is None else {"user": stored.owner.user}
    job = "" if line.job_id is None else f", job = {line.job_id}"
    return "{ " + ", ".join(f"{name} = {_text(value)}" for name, value in (fields | more).items()) + job + " }"


def _run(run: PlacedRun) -> str:
    nodes = json.dumps(list(run.nodes))
    return f"{{ job = {run.job_id}, state = {_text(run.state.value)}, nodes = {nodes}, ended_ago_s = 60.0 }}"


def _text(text: str) -> str:
    """A basic string of TOML, which JSON's are but for the escape of DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
