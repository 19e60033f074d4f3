"""The long ordeal, `make test-soak`: round after round, each from seed and number, until the counts are reached.

Prints each round's balance and, at the end, the sum of all. What was done stands in tests/artifacts/soak-SEED.json, so
that a run that was stopped goes on where it was (`--seed SEED`); `--round N` runs that round alone, to see a red one
again. Exit status 1 where any round was red.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from conservation.ordeal import Outcome, Plan, suffer
from conservation.programs import lacking
from testkit import hook_program
from testkit.checkout import ROOT

ARTIFACTS = ROOT / "tests" / "artifacts"
ONE_BY_ONE_SHARE = 4
KINDS: tuple[tuple[tuple[str, ...], bool], ...] = (
    (("hub", "file", "beats"), False),
    (("hub", "file"), False),
    (("beats", "file"), False),
    (("logstash",), True),
    (("kafka", "file"), False),
    (("hub-tls", "file"), False),
    (("logstash-tls",), True),
)
"""Receivers of one round, and whether its faults come one by one, which takes time: then they are fewer; in turn."""


@dataclass
class Book:
    """What was done so far."""

    seed: str
    next_round: int = 0
    events: int = 0
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    receivers: dict[str, Counter[str]] = field(default_factory=dict)
    red: list[str] = field(default_factory=list)

    @property
    def path(self) -> Path:
        return ARTIFACTS / f"soak-{self.seed}.json"

    @classmethod
    def opened(cls, seed: str) -> Book:
        """The book of that seed, new or as it was left."""
        book = cls(seed)
        if book.path.exists():
            kept = json.loads(book.path.read_text())
            book = cls(**kept)
            book.faults = Counter(kept["faults"])
            book.receivers = {name: Counter(counts) for name, counts in kept["receivers"].items()}
        return book

    def enter(self, outcome: Outcome) -> None:
        """Add a round and keep the book."""
        self.next_round += 1
        self.events += outcome.accepted
        self.seconds += outcome.seconds
        self.faults += outcome.struck
        for one in outcome.balances:
            counts = self.receivers.setdefault(one.receiver, Counter())
            counts.update(accepted=one.accepted, delivered=one.delivered, again=one.twice)
        self.red += [f"seed {outcome.plan.seed}: {finding}" for finding in outcome.findings]
        ARTIFACTS.mkdir(exist_ok=True)
        self.path.write_text(json.dumps(vars(self), indent=1))

    def __str__(self) -> str:
        lines = [
            f"seed {self.seed}: {self.next_round} rounds, {self.events} events accepted, "
            f"{sum(self.faults.values())} faults, {self.seconds / 60:.0f} minutes"
        ]
        for name, counts in self.receivers.items():
            lost = counts["accepted"] - counts["delivered"]
            lines.append(
                f"  {name:<12} accepted {counts['accepted']:>8}  delivered {counts['delivered']:>8}  lost {lost}"
                f"  came again {counts['again']}"
            )
        lines += [f"  {count:>5} {fault}" for fault, count in sorted(self.faults.items())]
        lines += [f"  RED {one}" for one in self.red] or ["  no breach"]
        return "\n".join(lines)


def say(what: object) -> None:
    """Tell whoever watches, at once."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def plan(seed: str, number: int, events: int, faults: int) -> Plan:
    """One round's."""
    receivers, one_by_one = KINDS[number % len(KINDS)]
    faults = faults // ONE_BY_ONE_SHARE if one_by_one else faults
    return Plan(f"{seed}/{number}", events, faults, receivers, one_by_one=one_by_one, settle_s=30)


def run(one: Plan, cache: Path) -> Outcome:
    """One round; what a red one leaves stays in its folder."""
    base = Path(tempfile.mkdtemp(prefix="soak-"))
    folder = base / "o"
    folder.mkdir()
    emitter = hook_program.build(base / "build", folder / "staging").path
    outcome = asyncio.run(suffer(one.emitted_by(emitter), folder, cache))
    if outcome.findings:
        say(f"  kept: {base}")
    else:
        shutil.rmtree(base)
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(prog="make test-soak", description="The long ordeal.")
    parser.add_argument("--seed", default=secrets.token_hex(4), help="go on with this one")
    parser.add_argument("--events", type=int, default=1_000_000, help="stop at so many (default: %(default)s)")
    parser.add_argument("--faults", type=int, default=1_000, help="and at least so many faults (default: %(default)s)")
    parser.add_argument("--round-events", type=int, default=20_000, help="events of a round (default: %(default)s)")
    parser.add_argument("--round-faults", type=int, default=40, help="faults of a round (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=24 * 60, help="begin no round after so long")
    parser.add_argument("--round", type=int, help="this round alone, not entered into the book")
    options = parser.parse_args()
    if missing := lacking():
        say(f"no soak here: {missing}")
        return 2
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="soak-trees-") as cache:
        if options.round is not None:
            outcome = run(plan(options.seed, options.round, options.round_events, options.round_faults), Path(cache))
            say(outcome)
            return 1 if outcome.findings else 0
        book = Book.opened(options.seed)
        while book.events < options.events or sum(book.faults.values()) < options.faults:
            if time.monotonic() - began > options.minutes * 60:
                say(f"stopped; go on with --seed {options.seed}")
                break
            outcome = run(plan(options.seed, book.next_round, options.round_events, options.round_faults), Path(cache))
            say(outcome)
            book.enter(outcome)
    say(book)
    return 1 if book.red else 0


if __name__ == "__main__":
    sys.exit(main())
