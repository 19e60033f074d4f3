"""Rules that make series of log lines: a TOML file to values, with everything that is wrong in it named.

Owns the words of the file. A rule has a name (the end of the series' path), an interval, a query with the filters of
the page, a value (how many lines, or a figure of a field), and may be split by whom or what a line is about.
Read by `opening` at the hub's start and by `preflight` for `slurmlens validate`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from slurmlens.errors import ConfigError
from slurmlens.hub.logs.query import LogQuery
from slurmlens.log_lines import Severity

KEY = "log_series.rules"
MOST_RULES = 200
_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}(\.[A-Za-z0-9_-]{1,100}){0,8}")
_KEYS = frozenset({"name", "interval_s", "query", "value", "field", "by"})
_FILTERS = frozenset({"text", "node", "user", "partition", "program", "kind", "severity"})


class Value(StrEnum):
    """What of an interval's lines is told."""

    COUNT = "count"
    SUM = "sum"
    MEAN = "mean"
    MAX = "max"


class By(StrEnum):
    """By what lines make series of their own."""

    NODE = "node"
    USER = "user"
    ACCOUNT = "account"
    PARTITION = "partition"
    PROGRAM = "program"
    KIND = "kind"


class LogRule(msgspec.Struct, frozen=True):
    """One series, or one for each value of `by`."""

    name: str
    interval_s: int
    query: LogQuery
    value: Value = Value.COUNT
    field: str | None = None
    by: By | None = None


def read_rules(path: Path) -> tuple[LogRule, ...]:
    """The file's rules; ConfigError with the first thing that is wrong."""
    rules, problems = examine_rules(path)
    if problems:
        raise problems[0]
    return rules


def examine_rules(path: Path) -> tuple[tuple[LogRule, ...], list[ConfigError]]:
    """The rules that can be used, and all that is wrong."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        return (), [ConfigError(f"{path} cannot be read: {error.strerror}", key=KEY)]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return (), [ConfigError(f"{path}: {error}", key=KEY)]
    tables = document.pop("rule", [])
    problems = [_wrong(path, f"unknown key {name!r}: rules are [[rule]]") for name in document]
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        return (), [*problems, _wrong(path, "rules are written as [[rule]]")]
    if len(tables) > MOST_RULES:
        problems.append(_wrong(path, f"{len(tables)} rules, {MOST_RULES} are the most"))
    rules: list[LogRule] = []
    for number, table in enumerate(tables[:MOST_RULES], start=1):
        wrong = [_wrong(path, f"rule {number}: {words}") for words in _problems(table)]
        problems += wrong
        if not wrong:
            rules.append(_rule(table))
    names = [rule.name for rule in rules]
    problems += [_wrong(path, f"two rules are named {name}") for name in sorted(set(names)) if names.count(name) > 1]
    return tuple(rules), problems


def _wrong(path: Path, words: str) -> ConfigError:
    return ConfigError(f"{path}: {words}", key=KEY)


def _problems(table: Mapping[str, Any]) -> Iterator[str]:
    for name in table.keys() - _KEYS:
        yield f"unknown key {name!r}; there are {', '.join(sorted(_KEYS))}"
    named = table.get("name")
    if not isinstance(named, str) or not _NAME.fullmatch(named):
        yield f"name = {named!r}: letters, digits, '_' and '-', parts with a '.' between them"
    interval_s = table.get("interval_s", 60)
    if not isinstance(interval_s, int) or isinstance(interval_s, bool) or not 10 <= interval_s <= 86_400:
        yield f"interval_s = {interval_s!r}: whole seconds from 10 to 86400"
    yield from _query_problems(table.get("query", {}))
    if table.get("value", Value.COUNT) not in set(Value):
        yield f"value = {table.get('value')!r}: one of {', '.join(Value)}"
    elif table.get("value", Value.COUNT) != Value.COUNT and not isinstance(table.get("field"), str):
        yield f"value = {table['value']!r} needs field, the name of a figure of these lines"
    elif table.get("value", Value.COUNT) == Value.COUNT and "field" in table:
        yield "field goes with value = sum, mean or max"
    if table.get("by") is not None and table.get("by") not in set(By):
        yield f"by = {table.get('by')!r}: one of {', '.join(By)}"


def _query_problems(query: Any) -> Iterator[str]:
    if not isinstance(query, dict):
        yield 'query is a table, such as { program = "slurmd", text = "oom-kill" }'
        return
    for name, value in query.items():
        if name not in _FILTERS:
            yield f"query has no filter {name!r}; there are {', '.join(sorted(_FILTERS))}"
        elif not isinstance(value, str) or not value.strip():
            yield f"query.{name} = {value!r}: a text that is not empty"
        elif name == "severity" and value.upper() not in Severity.__members__:
            yield f"query.severity = {value!r}: one of {', '.join(one.name.lower() for one in Severity)}"


def _rule(table: Mapping[str, Any]) -> LogRule:
    query = dict(table.get("query", {}))
    if "severity" in query:
        query["severity"] = Severity[query["severity"].upper()].value
    return LogRule(
        name=table["name"],
        interval_s=table.get("interval_s", 60),
        query=LogQuery(**query),
        value=Value(table.get("value", Value.COUNT)),
        field=table.get("field"),
        by=None if table.get("by") is None else By(table["by"]),
    )
