r"""Questions of log lines in Lucene's syntax, as OpenSearch and Elasticsearch read it in a `query_string`.

Owns every query that a board asks of a log store: of our own indices (ECS). Invariant: a name that somebody chose is a
phrase in which every character but letters, digits, blank, `.`, `_` and `-` is written `\uXXXX`, so it can be no
operator, wildcard, field or end of the phrase, and no variable of Grafana's. Format: Lucene's classic query parser.
"""

from __future__ import annotations

import re

from slurmlens.hub.dashboards.line_fields import ECS
from slurmlens.hub.dashboards.model import Board, BoardKind

SEVERITY_CODE = "log.syslog.severity.code"
PARTITION, ACCOUNT = "slurm.partition", "slurm.account"
LEAST_MARKED_CODE = 3
"""Lines that are marked and listed as errors are so severe or worse: err (RFC 5424)."""
EVERY = "*"
_MEANINGFUL = re.compile(r"[^A-Za-z0-9 ._-]", re.ASCII)


def phrase(text: str) -> str:
    r"""The text as one phrase.

    >>> phrase('a"b')
    '"a\\u0022b"'
    """
    return f'"{_MEANINGFUL.sub(_escape, text)}"'


def _escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def lines_of(board: Board) -> str | None:
    """The lines that are about what the board is of; None where no field says it."""
    if board.kind is BoardKind.JOB:
        return f"{ECS.job}:{board.name.partition('.')[0]}"
    fields = {
        BoardKind.NODE: ECS.node,
        BoardKind.USER: ECS.user,
        BoardKind.PARTITION: PARTITION,
        BoardKind.ACCOUNT: ACCOUNT,
    }
    if board.kind in fields:
        return f"{fields[board.kind]}:{phrase(board.name)}"
    return EVERY if board.kind in (BoardKind.OVERVIEW, BoardKind.LOGS) else None


def errors_among(query: str) -> str:
    """Those of them that are errors or worse."""
    severe = f"{SEVERITY_CODE}:[0 TO {LEAST_MARKED_CODE}]"
    return severe if query == EVERY else f"({query}) AND {severe}"


def of_programs(*programs: str) -> str:
    """Lines of these programs, whose names are ours."""
    return f"{ECS.program}:({' OR '.join(programs)})"
