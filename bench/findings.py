"""FINDINGS (P32): precision, recall and delay of findings on injected faults, and findings on a clean month.

A simulated cluster of 48 nodes (`findings_world`), seeded; faults of ten kinds, one of each a day, on days with other
seeds than those on which the detectors' cuts were looked at; then clean days. Ours are the hub's own detectors and
ledger; beside them, on the same days, a fixed threshold and three standard deviations (`findings_judge`). Precision
depends on how many faults there are: ten a day is far more than a real cluster has, so the clean days say more.
"""

from __future__ import annotations

from bench.findings_judge import Score, all_of, judge
from bench.findings_world import FAULT_KINDS, NODES, days
from bench.result import Goal, Result, Row, percentile
from bench.setting import Setting

SEED, CLEAN_SEED = 15_000, 19_000
REFERENCE = "a fixed threshold and three sigma on the same simulated days"
ROWS = (
    Row(
        "P32", "recall of injected faults of ten kinds", Goal(0.8, at_least=True), Goal(0.95, at_least=True), REFERENCE
    ),
    Row("P32", "precision on days with ten faults", Goal(0.8, at_least=True), Goal(0.95, at_least=True), REFERENCE),
    Row("P32", "delay to detection, median", Goal(900), Goal(300), REFERENCE, " s"),
    Row("P32", "findings on a clean month of 100 nodes", Goal(10), Goal(2), REFERENCE),
)
MONTH_DAYS = 30
NAMES = ("ours", "fixed threshold", "three sigma")


def measure(setting: Setting) -> list[Result]:
    faulty, clean = setting.choose(10, 2), setting.choose(40, 2)
    scores = {name: Score() for name in NAMES}
    quiet = dict.fromkeys(NAMES, 0)
    for day in days(SEED, faulty, faults=True):
        for name, alarms in all_of(day).items():
            judge(day, alarms, scores[name])
    for day in days(CLEAN_SEED, clean, faults=False):
        for name, alarms in all_of(day).items():
            quiet[name] += len(alarms)
    month = {name: count * MONTH_DAYS / clean * 100 / NODES for name, count in quiet.items()}
    own = scores["ours"]
    missed = ", ".join(f"{kind} {count}" for kind, count in sorted(own.missed.items())) or "none"
    p50 = {name: percentile(score.delays_s, 0.5) if score.delays_s else 0.0 for name, score in scores.items()}
    p95 = percentile(own.delays_s, 0.95) if own.delays_s else 0.0
    days_words = f"{faulty} days, {len(FAULT_KINDS)} faults a day"
    return [
        ROWS[0].measured(own.recall, f"{days_words}; {_others(scores, 'recall')}; missed: {missed}"),
        ROWS[1].measured(
            own.precision, f"{own.false} false of {own.right + own.false}; {_others(scores, 'precision')}"
        ),
        ROWS[2].measured(
            p50["ours"],
            f"p95 {p95:.0f} s; fixed {p50['fixed threshold']:.0f} s, three sigma {p50['three sigma']:.0f} s",
        ),
        ROWS[3].measured(
            month["ours"], f"{clean} days; fixed {month['fixed threshold']:.0f}, three sigma {month['three sigma']:.0f}"
        ),
    ]


def _others(scores: dict[str, Score], name: str) -> str:
    return ", ".join(f"{who} {getattr(score, name):.2f}" for who, score in scores.items() if who != "ours")
