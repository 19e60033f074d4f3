"""Lines with their meanings, as tests/fixtures/log_lines has them: a line, and below it what it means."""

from __future__ import annotations

import json

from slurmlens.log_lines import LineFact
from testkit.checkout import FIXTURES


def lines_of(name: str) -> dict[str, str]:
    """Meanings by line."""
    blocks = (FIXTURES / "log_lines" / name).read_text("utf-8").split("\n\n")[1:]
    return {text: meaning.strip() for text, meaning in (block.strip("\n").split("\n") for block in blocks)}


def meaning_of(fact: LineFact | None) -> str:
    """A fact as these files write it."""
    if fact is None:
        return "nothing"
    job = (
        []
        if fact.job is None
        else [f"{name}={value}" for name, value in fact.job._asdict().items() if value is not None]
    )
    return f"{fact.kind} | {' '.join(job) or '-'} | {fact.nodes or '-'} | {json.dumps(dict(fact.fields))}"
