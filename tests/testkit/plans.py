"""Every statement that the hub gives its database, and what the database would do for it.

Owns the recording (`recording`: at the driver, so that no statement goes past it, with the functions of the hub that
stood on the stack) and the judging: a statement is a walk where its plan reads a whole table that grows with history,
or a whole index that is not a partial one, or where running it takes work in proportion to the table. Partial indexes
hold what is open, held or due, which history does not make more.
"""

from __future__ import annotations

import ast
import itertools
import re
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Index, event
from sqlalchemy.pool import Pool

from slurmlens.hub.database.metadata import metadata
from testkit.checkout import ROOT

HUB = ROOT / "daemon" / "slurmlens" / "hub"

BOUNDED = {
    "nodes": "a row a node",
    "node_records": "a row a node",
    "refusals": "a row a reason",
    "drops": "so many rows a node",
    "marks": "a row a name",
    "stale_jobs": "what is to be concluded now",
    "course_pieces": "a dozen of each running job and node",
    "retention": "a row a kind of what ages",
    "mail_queue": "a row a mail that the hub sent",
    "uncharged_jobs": "what usage is to look at now",
    "usage_due_hours": "what is to be counted again",
    "change_feed_forgotten": "one row a cluster",
    "hub_workers": "a row a hub of the last day",
    "inventory_tellings": "a row a source",
    "alembic_version": "one row",
    "account_people": "a row a user and account",
    "login_tokens": "a row a session that lasts",
}
"""Tables that history does not make longer, and why. Any other table grows."""

ASKS = frozenset({"add", "execute", "find", "find_rows", "insert_new", "put", "change", "take_away", "exec_driver_sql"})
"""Methods that give the database a statement."""

SMALL_TABLE_ROWS = 2_000
"""A table of no more rows a database had better read whole, and does."""

_LITERAL = re.compile(r"[xX]?'(?:[^']|'')*'|\b\d+(?:\.\d+)?(?:e[+-]?\d+)?\b")
_LISTS = re.compile(r"\(\?(?:, ?\?)+\)")
_DATA = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", re.IGNORECASE)


@dataclass(slots=True)
class Statement:
    """One statement of the hub: an example of it, and the functions that were on their way when it was given."""

    sql: str
    parameters: Any = None
    functions: set[str] = field(default_factory=set)


Statements = dict[str, Statement]


@contextmanager
def recording() -> Iterator[Statements]:
    """Notes each statement of every connection that is opened in here, by its text without its values."""
    statements: Statements = {}

    def listen(connection: Any, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.set_trace_callback(lambda sql: _note(statements, sql, None))
        else:
            connection.cursor_factory = _noting(connection.cursor_factory, statements)

    event.listen(Pool, "connect", listen)
    try:
        yield statements
    finally:
        event.remove(Pool, "connect", listen)


def _noting(factory: Any, statements: Statements) -> Any:
    class NotingCursor(factory):  # type: ignore[misc]
        """psycopg's cursor, telling what it is given."""

        def execute(self, query: Any, parameters: Any = None, **options: Any) -> Any:
            _note(statements, str(query), parameters)
            return super().execute(query, parameters, **options)

        def executemany(self, query: Any, rows: Any, **options: Any) -> Any:
            rows = list(rows)
            _note(statements, str(query), rows[0])
            return super().executemany(query, rows, **options)

    return NotingCursor


def _note(statements: Statements, sql: str, parameters: Any) -> None:
    if not _DATA.match(sql):
        return
    text = _LISTS.sub("(?)", _LITERAL.sub("?", sql))
    statements.setdefault(text, Statement(sql, parameters)).functions |= set(_hub_functions())


def _hub_functions() -> Iterator[str]:
    frame = sys._getframe(2)
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(str(HUB)):
            yield f"{Path(path).relative_to(HUB)}:{_own_name(frame.f_code.co_qualname)}"
        frame = frame.f_back  # type: ignore[assignment]


def _own_name(qualified: str) -> str:
    """A lambda, a comprehension or a function inside one belongs to the function it stands in."""
    return qualified.split(".<locals>")[0]


def functions_that_ask(rooms: Iterable[str]) -> set[str]:
    """Every function of these rooms of the hub (or modules in them) that gives the database a statement."""
    found = set()
    for path in itertools.chain.from_iterable(_modules(HUB / room) for room in rooms):
        for name, function in _functions(ast.parse(path.read_text())):
            if any(_asks(node) for node in ast.walk(function)):
                found.add(f"{path.relative_to(HUB)}:{name}")
    return found


def _modules(place: Path) -> Iterable[Path]:
    return (place,) if place.is_file() else place.rglob("*.py")


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node
        if isinstance(node, ast.ClassDef):
            for own in node.body:
                if isinstance(own, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{node.name}.{own.name}", own


def _asks(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Name):
        return node.func.id == "fetch"
    return isinstance(node.func, ast.Attribute) and node.func.attr in ASKS and _is_database(node.func.value)


def _is_database(owner: ast.AST) -> bool:
    text = ast.unparse(owner).lower()
    return any(word in text for word in ("connection", "transaction", "reading", "cursor"))


Judge = Callable[[Statement], str | None]
"""Says why a statement is a walk; None where it is none."""


def assert_none_walks(statements: Mapping[str, Statement], judge: Judge) -> None:
    """Fails with every statement that walks, why, and which functions give it."""
    assert statements
    walking = {text: why for text, statement in statements.items() if (why := judge(statement)) is not None}
    told = (f"{why}\n    {text}\n    {sorted(statements[text].functions)}" for text, why in walking.items())
    assert not walking, "\n".join(("these walk:", *told))


def on_sqlite(path: Path, most_steps: int) -> Judge:
    """Judges on a database file that is at rest; `most_steps` is what a question may take of SQLite's machine."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)

    def judge(statement: Statement) -> str | None:
        plan = [row[-1] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement.sql}")]
        if not _ends_early(statement.sql, plan) and (
            bad := [step for step in plan if _scans(connection, step, statement.sql)]
        ):
            return "; ".join(bad)
        if not statement.sql.lstrip().upper().startswith("SELECT"):
            return None
        steps = _steps_of(connection, statement.sql)
        return f"{steps} steps: {'; '.join(plan)}" if steps > most_steps else None

    return judge


_SCAN = re.compile(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?")


def _ends_early(sql: str, plan: list[str]) -> bool:
    """Whether it stops once it has enough rows: how many it looks at until then is counted."""
    return " LIMIT " in sql.replace("\n", " ") and not any("TEMP B-TREE" in step for step in plan)


def _scans(connection: sqlite3.Connection, step: str, sql: str) -> bool:
    if "AUTOMATIC" in step:
        return True
    found = _SCAN.match(step)
    if not found or found[1] in ("CONSTANT", "j"):  # no table, a list of keys
        return False
    name, index = found.groups()
    alias = re.search(rf"(?:FROM|JOIN) (\w+) (?:AS )?{name}\b", sql)
    table = name if name in metadata.tables or alias is None else alias[1]
    return _grows(table) and index not in _partial_indexes() and not _is_small(connection, table)


def _is_small(connection: sqlite3.Connection, table: str) -> bool:
    query = f"SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT {SMALL_TABLE_ROWS + 1})"
    return bool(connection.execute(query).fetchone()[0] <= SMALL_TABLE_ROWS)


def _steps_of(connection: sqlite3.Connection, sql: str) -> int:
    """In hundreds of instructions of SQLite's machine."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 100
        return 0

    connection.set_progress_handler(count, 100)
    try:
        connection.execute(sql).fetchall()
    finally:
        connection.set_progress_handler(None, 0)
    return steps


def on_postgresql(connection: Any, most_rows: int) -> Judge:
    """Judges on an open connection of psycopg's; `most_rows` is how many rows a question may look at."""
    from psycopg import ClientCursor

    def judge(statement: Statement) -> str | None:
        sql = ClientCursor(connection).mogrify(statement.sql, statement.parameters)
        is_question = sql.lstrip().upper().startswith("SELECT")
        options = "ANALYZE, FORMAT JSON" if is_question else "FORMAT JSON"
        (plan,) = connection.execute(f"EXPLAIN ({options}) {sql}".replace("%", "%%"), ()).fetchone()
        nodes = list(_plan_nodes(plan[0]["Plan"]))
        if bad := [f"{_rows(node):.0f} rows: {_told(node)}" for node in nodes if _walks_on_postgresql(node)]:
            return "; ".join(bad)
        looked_at = max((_rows(node) for node in nodes), default=0)
        return f"{looked_at:.0f} rows: {[_told(node) for node in nodes]}" if looked_at > most_rows else None

    return judge


def _plan_nodes(node: dict[str, Any], *, is_limited: bool = False) -> Iterator[dict[str, Any]]:
    is_limited = is_limited or node["Node Type"] == "Limit"
    yield node | {"limited": is_limited}
    for child in node.get("Plans", ()):
        yield from _plan_nodes(child, is_limited=is_limited)


def _walks_on_postgresql(node: dict[str, Any]) -> bool:
    kind, index = node["Node Type"], node.get("Index Name")
    if kind == "Seq Scan":
        return _grows(node["Relation Name"]) and _rows(node) > SMALL_TABLE_ROWS
    if index is None or "Index Cond" in node or index in _partial_indexes():
        return False
    # how many it looks at until it has enough is counted
    return not node["limited"] and _rows(node) > SMALL_TABLE_ROWS


def _rows(node: dict[str, Any]) -> float:
    read = node.get("Actual Rows", 0) + node.get("Rows Removed by Filter", 0)
    return float(read * node.get("Actual Loops", 1))


def _told(node: dict[str, Any]) -> str:
    names = (node.get(name) for name in ("Node Type", "Relation Name", "Index Name", "Index Cond", "Filter"))
    return " ".join(str(name) for name in names if name)


def _grows(table: str) -> bool:
    return table in metadata.tables and table not in BOUNDED


def _partial_indexes() -> set[str]:
    indexes: list[Index] = [index for table in metadata.tables.values() for index in table.indexes]
    return {str(index.name) for index in indexes if index.dialect_options["sqlite"]["where"] is not None}
