"""Judges the judge, `make test-mutation`: each mutation breaks delivery in a copy of the source, and must be seen.

Owns the list of mutations. The script of each is first held against the unbroken copy, where the judge must be silent:
one that is red anyway would prove nothing. Prints which rule saw which mutation; exit status 1 where one was not seen.
The checkout is never touched.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from conservation.ordeal import Outcome, Plan, Step, suffer
from conservation.programs import lacking
from conservation.soak import say
from testkit.checkout import ROOT

SETTLE_S = 6.0

HUB_AWAY = (Step("away", "hub", 1500), Step("restart", "node", 600), Step("restart", "node", 600))
HUB_AWAY_LONG = (Step("away", "hub", 3000), Step("restart", "node", 200), Step("kill", "node", 200))
HUB_AWAY_AND_KILL = (Step("away", "hub", 500), Step("kill", "node", 200))
DISK_FULL_AND_KILL = (Step("away", "hub", 300), Step("full", "disk", 200), Step("kill", "node", 100))
DISK_FULL = (Step("full", "disk", 1500), Step("jump, and back", "clock", 1500))
FROZEN_AND_KILLED = (Step("freeze", "logstash", 300), Step("kill", "logstash", 100))
TWO = ("hub", "file")
LINES = ("logstash",)


@dataclass(frozen=True)
class Mutation:
    """`old`, which stands once in the file, becomes `new`."""

    name: str
    path: str
    old: str
    new: str
    script: tuple[Step, ...]
    receivers: tuple[str, ...] = TWO


MUTATIONS = (
    Mutation(
        "the cursor is not written",
        "delivery/spool/writer.py",
        "moved = {sink: at for sink, at in cursors.items() if at != self._written_cursors.get(sink, 0)}",
        "moved: dict[str, int] = {}",
        HUB_AWAY_LONG,
    ),
    Mutation(
        "the file is unlinked before the commit",
        "node/registry_driver.py",
        "await self._outlet.event(event, self._releasing(event.id))",
        "self._release(event.id)\n        await self._outlet.event(event)",
        DISK_FULL_AND_KILL,
    ),
    Mutation(
        "what was sent is acknowledged before it arrived",
        "delivery/sinks/delivery.py",
        "await self._deliver(payload, sum(entry.batch.count for entry in entries))\n"
        "                await self._queue.acknowledge(self.sink.name, entries[-1].position)",
        "await self._queue.acknowledge(self.sink.name, entries[-1].position)\n"
        "                await self._deliver(payload, sum(entry.batch.count for entry in entries))",
        HUB_AWAY_AND_KILL,
    ),
    Mutation(
        "a failure counts as delivered",
        "delivery/sinks/delivery.py",
        "if not error.retriable:",
        "if error.retriable:",
        HUB_AWAY,
    ),
    Mutation(
        "the order is lost",
        "delivery/sinks/delivery.py",
        'b"".join(entry.batch.payload for entry in entries)',
        'b"".join(entry.batch.payload for entry in reversed(entries))',
        HUB_AWAY,
    ),
    Mutation(
        "the resend window is dropped",
        "delivery/sinks/unacknowledged.py",
        "        self._keep(piece)\n",
        "",
        FROZEN_AND_KILLED,
        LINES,
    ),
    Mutation(
        "half a batch stays in the file when the disk is full",
        "delivery/sinks/file.py",
        "os.ftruncate(handle, size_bytes)",
        "pass",
        DISK_FULL,
    ),
    Mutation(
        "a text of the hook's is not decoded",
        "wire/hook_file.py",
        'return value.encode("latin-1").decode("utf-8", "replace")',
        "return value",
        HUB_AWAY,
    ),
)


def copied(folder: Path) -> Path:
    """The product's source, to be broken."""
    shutil.copytree(ROOT / "daemon", folder / "daemon", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    return folder


def apply(mutation: Mutation, source: Path) -> None:
    """Break the copy."""
    path = source / "daemon/slurmlens" / mutation.path
    text = path.read_text()
    assert text.count(mutation.old) == 1, f"{mutation.name}: {mutation.path} has changed"
    path.write_text(text.replace(mutation.old, mutation.new))


def plan_of(mutation: Mutation, source: Path) -> Plan:
    """The script, in a flood of events that ends soon after it."""
    events = sum(step.events for step in mutation.script) + 1500
    return Plan("mutation", events, 0, mutation.receivers, script=mutation.script, source=source, settle_s=SETTLE_S)


def ordeal_of(plan: Plan, cache: Path) -> Outcome:
    """Hold it in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="mutant-", ignore_cleanup_errors=True) as base:
        folder = Path(base) / "o"
        folder.mkdir()
        return asyncio.run(suffer(plan, folder, cache))


def main(names: Sequence[str]) -> int:
    if missing := lacking():
        say(f"no mutation run here: {missing}")
        return 2
    failed = False
    chosen = [one for one in MUTATIONS if not names or any(name in one.name for name in names)]
    with tempfile.TemporaryDirectory(prefix="mutants-") as base:
        healthy, cache = copied(Path(base) / "healthy"), Path(base) / "cache"
        cache.mkdir()
        for script in dict.fromkeys((one.script, one.receivers) for one in chosen):
            example = next(one for one in chosen if (one.script, one.receivers) == script)
            outcome = ordeal_of(plan_of(example, healthy), cache)
            failed |= bool(outcome.findings)
            steps = ", ".join(f"{step.kind} {step.target}" for step in example.script)
            say(f"{'RED' if outcome.findings else 'green':<7} unbroken: {steps}")
            if outcome.findings:
                say(outcome)
        for number, mutation in enumerate(chosen):
            source = copied(Path(base) / str(number))
            apply(mutation, source)
            outcome = ordeal_of(plan_of(mutation, source), cache)
            rules = sorted({f"{finding.rule.value} ({finding.receiver})" for finding in outcome.findings})
            failed |= not rules
            say(f"{'seen' if rules else 'UNSEEN':<7} {mutation.name}: {', '.join(rules) or outcome}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
