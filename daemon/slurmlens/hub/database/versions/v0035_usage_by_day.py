"""Version 35: usage by day, and sums over runs by when they started, counted here of the ledger as it stands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"

HOUR_S, DAY_S = 3_600, 86_400
FOREVER_S = 253_402_300_799
_DIMENSIONS = ("partition", "user", "account", "qos")
_USAGE_KEY = (*_DIMENSIONS, "state")
_USAGE_SUMS = (
    *("node_s", "core_s", "gpu_s", "memory_mib_s", "suspended_core_s", "cpu_ms", "peak_mib_s", "started", "ended"),
    *("gpu_seen_ms", "gpu_busy_ms"),
)
_FAILED = "state IN ('BOOT_FAIL', 'DEADLINE', 'FAILED', 'NODE_FAIL', 'OUT_OF_MEMORY', 'TIMEOUT')"
_HELD_S = "(end_s - start_s)"
_CORE_S = f"(core_count * {_HELD_S})"
_STEPS = (
    f"WHEN wait_s < {2 << power} THEN wait_s - wait_s % {1 << power - 4} + {1 << power - 5}" for power in range(6, 40)
)
_WAIT_S = f"CASE WHEN wait_s < 64 THEN wait_s {' '.join(_STEPS)} END"
_HABITS = {
    "runs": "1",
    "failed": f"CASE WHEN {_FAILED} THEN 1 ELSE 0 END",
    "short": f"CASE WHEN {_HELD_S} < 60 THEN 1 ELSE 0 END",
    "core_s": _CORE_S,
    "measured_core_s": f"CASE WHEN cpu_ms > 0 THEN {_CORE_S} ELSE 0 END",
    "cpu_ms": "cpu_ms",
    "idle_core_s": f"CASE WHEN cpu_ms > 0 AND cpu_ms * 20 < {_CORE_S} * 1000 THEN {_CORE_S} ELSE 0 END",
    "given_mib_s": f"CASE WHEN peak_mib > 0 THEN memory_mib * {_HELD_S} ELSE 0 END",
    "peak_mib_s": f"CASE WHEN peak_mib > 0 THEN peak_mib * {_HELD_S} ELSE 0 END",
    "limit_core_s": "core_count * COALESCE(limit_s, 0)",
    "limited_core_s": f"CASE WHEN limit_s IS NOT NULL THEN {_CORE_S} ELSE 0 END",
}


def upgrade() -> None:
    _make_tables()
    _fill_days()
    is_over = f"end_s < {FOREVER_S}"
    for width_s in (HOUR_S, DAY_S):
        for name in _DIMENSIONS:
            key = {"dimension": f"'{name}'", "name": f'"{name}"', "size_class": "size_class", "wait_s": _WAIT_S}
            _fill("usage_waits", width_s, key, {"runs": "1", "waited_s": "wait_s"}, "wait_s >= 0")
        kind = {"job_type": "job_type", "size_class": "size_class", "user": '"user"'}
        of_kind = {name: _HABITS[name] for name in ("runs", "core_s", "failed")}
        _fill("usage_job_types", width_s, kind, of_kind, is_over)
        _fill("usage_habits", width_s, {"user": '"user"'}, _HABITS, is_over)
        slot = {"user": '"user"', "slot_s": "submit_s - submit_s % 600"}
        _fill("usage_bursts", width_s, slot, {"runs": "1"}, "submit_s IS NOT NULL")


def _make_tables() -> None:
    op.create_table(
        "usage_days",
        *_key(("cluster", sa.Text), ("day_s", sa.BigInteger), *((name, sa.Text) for name in _USAGE_KEY)),
        *_sums(_USAGE_SUMS),
        sqlite_with_rowid=False,
    )
    begin = ("width_s", sa.Integer), ("begin_s", sa.BigInteger)
    op.create_table(
        "usage_waits",
        *_key(("cluster", sa.Text), ("dimension", sa.Text), *begin, ("name", sa.Text)),
        *_key(("size_class", sa.SmallInteger), ("wait_s", sa.BigInteger)),
        *_sums(("runs", "waited_s")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "usage_job_types",
        *_key(("cluster", sa.Text), *begin, ("job_type", sa.Text), ("size_class", sa.SmallInteger), ("user", sa.Text)),
        *_sums(("runs", "core_s", "failed")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "usage_habits",
        *_key(("cluster", sa.Text), *begin, ("user", sa.Text)),
        *_sums(_HABITS),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "usage_bursts",
        *_key(("cluster", sa.Text), *begin, ("user", sa.Text), ("slot_s", sa.BigInteger)),
        *_sums(("runs",)),
        sqlite_with_rowid=False,
    )


def _key(*columns: tuple[str, Any]) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, primary_key=True, autoincrement=False) for name, kind in columns]


def _sums(names: Iterable[str]) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]


def _fill_days() -> None:
    key = ", ".join(f'"{name}"' for name in _USAGE_KEY)
    sums = ", ".join(f"SUM({name})" for name in _USAGE_SUMS)
    op.execute(
        f"INSERT INTO usage_days (cluster, day_s, {key}, {', '.join(_USAGE_SUMS)})"  # noqa: S608
        f" SELECT cluster, hour_s - hour_s % {DAY_S}, {key}, {sums} FROM usage_hours"
        f" GROUP BY cluster, hour_s - hour_s % {DAY_S}, {key}"
    )


def _fill(table: str, width_s: int, key: dict[str, str], sums: dict[str, str], where: str) -> None:
    """A row of sums for each stretch of this width in which runs started, and each key."""
    begin_s = f"start_s - start_s % {width_s}"
    keyed = ", ".join(f"{value} AS k{place}" for place, value in enumerate(key.values()))
    valued = ", ".join(f"{value} AS s{place}" for place, value in enumerate(sums.values()))
    keys = ", ".join(f"k{place}" for place in range(len(key)))
    names = ", ".join(f'"{name}"' for name in (*key, *sums))
    op.execute(
        f"INSERT INTO {table} (cluster, width_s, begin_s, {names})"  # noqa: S608
        f" SELECT cluster, {width_s}, begin_s, {keys}, {', '.join(f'SUM(s{place})' for place in range(len(sums)))}"
        f" FROM (SELECT cluster, {begin_s} AS begin_s, {keyed}, {valued} FROM usage_runs WHERE {where}) AS parts"
        f" GROUP BY cluster, begin_s, {keys}"
    )
