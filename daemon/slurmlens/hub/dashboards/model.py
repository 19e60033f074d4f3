"""What a board is: rows of panels, each of them curves, one figure, a table of figures, a list or log lines; a period,
variables.

Owns the types and a board's name. Nothing here knows Grafana. Invariants: the same board has the same uid for ever, and
no two boards have one; what users chose (`Cell.text`, `Board.title`) is kept raw, for whoever draws it knows how to
escape it; `targets` are expressions of Graphite, made in `targets` alone, `lines` questions of a log store, made in
`line_queries` alone. A panel has the one or the other.
"""

from __future__ import annotations

import enum
import hashlib
import urllib.parse

import msgspec

from slurmlens.shown.text import encodable

UID_PREFIX = "slurmlens-"
"""What begins so is ours: it may be replaced and removed."""
MOST_UID_CHARS = 40
_CLUSTER_DIGITS = 6
_NAME_DIGITS = 14


class BoardKind(enum.Enum):
    """Of what a board is. ANY_JOB is the one with variables."""

    OVERVIEW = "overview"
    PARTITION = "partition"
    NODE = "node"
    USER = "user"
    ACCOUNT = "account"
    JOB = "job"
    ANY_JOB = "anyjob"
    LOGS = "logs"


class Shape(enum.Enum):
    """How a panel shows what it asks: over time, as one figure, as a table of figures, as log lines themselves; LIST
    shows `cells`."""

    CURVES = "curves"
    FIGURE = "figure"
    TABLE = "table"
    LIST = "list"
    LINES = "lines"


class LineStore(enum.Enum):
    """What keeps log lines so that a board can ask it."""

    OPENSEARCH = "opensearch"
    ELASTICSEARCH = "elasticsearch"


class LinesAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Log lines that fit `query` (Lucene's syntax): counted by the most frequent values of the field `by`, where there
    is one, else the lines themselves."""

    query: str
    by: str = ""


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One cell of a list; it leads to a board (its uid) or to a page of the hub (its path, percent-encoded)."""

    text: str
    board: str = ""
    page: str = ""


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """One panel. `unit` is as in `metrics`: cores, bytes, bytes/s, ratio, count, or a second ("1/s")."""

    title: str
    shape: Shape = Shape.CURVES
    unit: str = "count"
    targets: tuple[str, ...] = ()
    lines: tuple[LinesAsked, ...] = ()
    note: str = ""
    is_stacked: bool = False
    is_stepped: bool = False
    columns: tuple[str, ...] = ()
    cells: tuple[tuple[Cell, ...], ...] = ()


class BoardRow(msgspec.Struct, frozen=True, kw_only=True):
    """Panels side by side, of equal width."""

    title: str
    panels: tuple[Panel, ...]


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """What a reader chooses at the top of a board: `query` is the pattern whose last level is offered."""

    name: str
    label: str
    query: str
    is_several: bool = False
    """Whether several may be chosen at once."""


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """Which time a board shows at first: the last `last_s` seconds, or from begin to end; None as end is now."""

    last_s: int = 3600
    begin_s: int | None = None
    end_s: int | None = None


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """One board. `name` is the partition's, node's, user's or run's, empty where there is one a cluster."""

    kind: BoardKind
    cluster: str
    name: str = ""
    title: str
    rows: tuple[BoardRow, ...]
    period: Period = Period()
    refresh_s: int = 30
    """How often it asks again; 0: never, for nothing changes."""
    variables: tuple[Variable, ...] = ()
    page: str = ""
    """The hub's own page about the same, as a path."""
    line_store: LineStore | None = None
    """Who is asked for lines; None: nobody, and there is no panel of lines."""
    marked_lines: str = ""
    """Which lines are marked on the board (Lucene's syntax); empty: none."""

    @property
    def uid(self) -> str:
        """Its name for ever, of at most `MOST_UID_CHARS` letters, digits and `-`."""
        return board_uid(self.kind, self.cluster, self.name)


def board_uid(kind: BoardKind, cluster: str, name: str = "") -> str:
    """The uid of a board, also of one that is not made yet."""
    return f"{UID_PREFIX}{kind.value}-{cluster_digits(cluster)}{_digest(name, _NAME_DIGITS)}"


def cluster_digits(cluster: str) -> str:
    """What the uids of one cluster's boards have in common."""
    return _digest(cluster, _CLUSTER_DIGITS)


def page_of(plural: str, name: str) -> str:
    """The path of the hub's page of a node, partition or user."""
    return f"/{plural}/{urllib.parse.quote(encodable(name), safe='')}"


def _digest(text: str, digits: int) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass")).hexdigest()[:digits]
