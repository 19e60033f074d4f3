"""`slurmlens setup ROLE`: does on this host what docs/installation.md asks for a compute node, a hub or a relay.

Owns the looking, the carrying out and the printing; the steps are `cli.preparation`'s, the faults of a node
`cli.diagnosis`'s. What is done already is left alone, so it can be run again and by a configuration management. Never
touches slurm.conf, which is the whole cluster's: what it should say is printed. Called by `cli.main`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from slurmlens.cli.commands import doctor
from slurmlens.cli.preparation import UNITS, ExaminedHost, Role, SetupStep, Wishes, prepare, settings_path
from slurmlens.config.load import NODE_PATH

SUMMARY = "make this host a compute node, a hub or a relay of slurmlens"
EPILOG = """exit status: 0 everything is done, 1 something failed or is left to be done by hand"""
LASTS_S = 120

State = Literal["was done", "done", "to do", "failed", "by hand"]


class StepOutcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one step; `problem` is what the command that failed said."""

    subject: str
    state: State
    told: str
    command: str | None = None
    problem: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = EPILOG
    parser.add_argument("role", choices=tuple(UNITS), help="what this host is to be")
    parser.add_argument("--cluster", metavar="NAME", help="Slurm's ClusterName (default: what slurm.conf says)")
    parser.add_argument("--hub", metavar="URL", help="where a node or a relay delivers, as http://HOST:6830")
    parser.add_argument("--listen", metavar="ADDRESS", help="address on which a hub or a relay listens")
    parser.add_argument("--dry-run", action="store_true", help="print the commands, run none")
    parser.add_argument("--json", action="store_true", help="the outcome as JSON, one object a step")


def run(arguments: argparse.Namespace) -> int:
    """Do what is not done yet; 1 where something failed or is left."""
    if arguments.role == "hub" and arguments.hub is not None:
        print("slurmlens setup: a hub delivers to nobody: leave --hub out", file=sys.stderr)
        return 2
    if not arguments.dry_run and os.geteuid() != 0:
        print("slurmlens setup: only root can do this; --dry-run shows what it would do", file=sys.stderr)
        return 2
    wishes = Wishes(role=arguments.role, cluster=arguments.cluster, hub_url=arguments.hub, listen=arguments.listen)
    steps = prepare(wishes, look(wishes.role))
    outcomes = list(_planned(steps) if arguments.dry_run else carry_out(steps))
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(outcomes), indent=1).decode())
    else:
        print(*map(_dry_line if arguments.dry_run else _line, outcomes), sep="\n")
    return int(any(one.state in ("failed", "by hand") for one in outcomes))


def look(role: Role) -> ExaminedHost:
    """What this host has."""
    slurm = doctor.slurm_settings()
    path = Path(settings_path(role))
    return ExaminedHost(
        cluster=(slurm or {}).get("clustername"),
        settings=path.read_text("utf-8", "replace") if path.is_file() else None,
        running=_running(UNITS[role]) if doctor.SYSTEMD_RUNS.is_dir() else None,
        node=doctor.look(NODE_PATH) if role == "node" else None,
    )


def carry_out(steps: Iterable[SetupStep]) -> Iterator[StepOutcome]:
    """Run the commands of what is not done, in order; after one that failed nothing more is tried."""
    has_failed = False
    for step in steps:
        if has_failed and not step.is_done:
            yield StepOutcome(step.subject, "to do", step.told, step.command)
            continue
        outcome = _carry_out(step)
        has_failed = has_failed or outcome.state == "failed"
        yield outcome


def _carry_out(step: SetupStep) -> StepOutcome:
    if step.is_done:
        return StepOutcome(step.subject, "was done", step.told)
    if step.command is None:
        return StepOutcome(step.subject, "by hand", step.told)
    argv = ["/bin/sh", "-ec", step.command]
    try:
        ended = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False, timeout=LASTS_S)
    except subprocess.TimeoutExpired:
        return StepOutcome(step.subject, "failed", step.told, step.command, f"not over after {LASTS_S} s")
    if ended.returncode:
        return StepOutcome(step.subject, "failed", step.told, step.command, (ended.stderr or ended.stdout).strip())
    return StepOutcome(step.subject, "done", step.told, step.command)


def _planned(steps: Iterable[SetupStep]) -> Iterator[StepOutcome]:
    for step in steps:
        state: State = "was done" if step.is_done else "by hand" if step.command is None else "to do"
        yield StepOutcome(step.subject, state, step.told, None if step.is_done else step.command)


def _running(units: Iterable[str]) -> frozenset[str]:
    """Those that are active and come back at boot."""
    return frozenset(unit for unit in units if _property(unit, "ActiveState") == "active" and _is_enabled(unit))


def _is_enabled(unit: str) -> bool:
    return _property(unit, "UnitFileState") in ("enabled", "static", "linked", "generated")


def _property(unit: str, name: str) -> str:
    argv = ["systemctl", "show", f"--property={name}", "--value", unit]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()


def _line(outcome: StepOutcome) -> str:
    problem = f"\n          {outcome.command}\n          {outcome.problem}" if outcome.state == "failed" else ""
    return f"{outcome.state:<9} {outcome.subject}: {outcome.told}{problem}"


def _dry_line(outcome: StepOutcome) -> str:
    """A script that could be run, with what is not its to do as comments."""
    head = f"# {outcome.subject} ({outcome.state}): {outcome.told}"
    return head if outcome.command is None else f"{head}\n{outcome.command}"
