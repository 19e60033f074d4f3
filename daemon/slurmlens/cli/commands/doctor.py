"""`slurmlens doctor`: what is right and wrong with slurmlens on this compute node, with the command that mends it.

Owns the looking and the printing; the judgements are `cli.diagnosis`'s. Changes nothing. Called by `cli.main`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
from collections.abc import Mapping
from glob import glob
from pathlib import Path

import msgspec

from slurmlens.cli.diagnosis import HOOKS, Diagnosis, ExaminedNode, diagnose
from slurmlens.config.load import NODE_PATH, examine
from slurmlens.config.node import NodeConfig
from slurmlens.errors import ConfigError, SlurmlensError
from slurmlens.runtime import munge
from slurmlens.slurm.configuration import read_settings
from slurmlens.slurm.plugstack import plugin_lines

SUMMARY = "what is right and wrong on this compute node, and what mends it"
EPILOG = """exit status: 0 nothing is wrong, 1 something is"""
UNITS = ("slurmlens-node.service",)
SYSTEMD_RUNS = Path("/run/systemd/system")
MARKS = {"right": "ok", "wrong": "WRONG", "unknown": "?"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = EPILOG
    parser.add_argument("--json", action="store_true", help="the same as JSON, one object a finding")
    parser.add_argument(
        "--config", type=Path, default=NODE_PATH, metavar="FILE", help="settings (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print every finding; 1 where something is wrong."""
    findings = diagnose(look(arguments.config))
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(findings), indent=1).decode())
    else:
        print(*map(_line, findings), sep="\n")
    return int(any(one.state == "wrong" for one in findings))


def look(config_path: Path) -> ExaminedNode:
    """What this machine has."""
    config, errors = _examined(config_path)
    slurm = slurm_settings()
    return ExaminedNode(
        slurm=slurm,
        executables=_executables(slurm or {}),
        units={unit: _active_state(unit) for unit in UNITS} if SYSTEMD_RUNS.is_dir() else {},
        is_dropbox_there=bool(config and config.dropbox_path.is_dir()),
        config_errors=tuple(str(error) for error in errors),
        cluster=config.cluster if config else "",
        is_munge_answering=_munge_answers(),
        plugins=tuple(plugin_lines(_plugstack_path(slurm or {}))),
    )


def _plugstack_path(slurm: Mapping[str, str]) -> Path:
    """Beside slurm.conf where that names no other."""
    return Path(slurm.get("plugstackconfig") or _slurm_conf_path().with_name("plugstack.conf"))


def _slurm_conf_path() -> Path:
    return Path(os.environ.get("SLURM_CONF") or "/etc/slurm/slurm.conf")


def slurm_settings() -> Mapping[str, str] | None:
    """What slurm.conf says, None where none can be read."""
    path = _slurm_conf_path()
    return read_settings(path.read_text("utf-8", "replace")) if path.is_file() and os.access(path, os.R_OK) else None


def _examined(path: Path) -> tuple[NodeConfig | None, list[ConfigError]]:
    try:
        return examine(NodeConfig, path)
    except ConfigError as error:
        return None, [error]


def _executables(slurm: Mapping[str, str]) -> dict[str, str]:
    named = [path for key in HOOKS if slurm.get(key) for path in glob(slurm[key])]
    return {path: os.path.realpath(path) for path in named if os.access(path, os.X_OK)}


def _active_state(unit: str) -> str:
    argv = ["systemctl", "show", "--property=ActiveState", "--value", unit]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def _munge_answers() -> bool:
    try:
        munge.encode(b"")
    except SlurmlensError:
        return False
    return True


def _line(finding: Diagnosis) -> str:
    remedy = f"\n        mend: {finding.remedy}" if finding.remedy else ""
    return f"{MARKS[finding.state]:<6}{finding.subject}: {finding.told}{remedy}"
