"""What is right and wrong on a compute node, from what its files and units say. Pure: `ExaminedNode` in, findings out.

Owns the judgements and the command that mends each fault; `commands.doctor` gathers the `ExaminedNode` and prints.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from slurmlens.slurm.plugstack import PluginLine

LIBEXEC = "/usr/libexec/slurmlens"
HOOKS = {"prolog": "slurmlens-prolog", "epilog": "slurmlens-epilog"}
PLUGIN = "spank_slurmlens.so"
State = Literal["right", "wrong", "unknown"]


class Diagnosis(msgspec.Struct, frozen=True):
    """One thing that was looked at; `remedy` is the command or line that mends it, empty where nothing is wrong.
    `by_hand`: it is not a command for this host, but a line in a file, or something for the whole cluster."""

    subject: str
    state: State
    told: str
    remedy: str = ""
    by_hand: bool = False


class ExaminedNode(msgspec.Struct, frozen=True):
    """What was found. `executables` are paths below the folders and lines of slurm.conf that can be executed, links
    followed: path to what it leads to. `units` has the ActiveState by unit, empty where no systemd answers."""

    slurm: Mapping[str, str] | None
    executables: Mapping[str, str]
    units: Mapping[str, str]
    is_dropbox_there: bool
    config_errors: tuple[str, ...]
    cluster: str
    is_munge_answering: bool
    plugins: tuple[PluginLine, ...] = ()


def diagnose(machine: ExaminedNode) -> list[Diagnosis]:
    """Every finding, in the order in which a site sets things up."""
    return [
        *_settings(machine),
        *_hooks(machine),
        *_plugin(machine),
        _dropbox(machine),
        _munge(machine),
        *_units(machine),
    ]


def _settings(machine: ExaminedNode) -> Iterator[Diagnosis]:
    if machine.config_errors:
        for error in machine.config_errors:
            yield Diagnosis("settings", "wrong", error, "slurmlens validate /etc/slurmlens/node.toml")
        return
    named = (machine.slurm or {}).get("clustername", "")
    if named and named.lower() != machine.cluster.lower():
        told = f"cluster is {machine.cluster!r} in node.toml, ClusterName is {named!r} in slurm.conf"
        yield Diagnosis("settings", "wrong", told, f'cluster = "{named}" in /etc/slurmlens/node.toml', by_hand=True)
    else:
        yield Diagnosis("settings", "right", f"node.toml can be used; cluster {machine.cluster}")


def _hooks(machine: ExaminedNode) -> Iterator[Diagnosis]:
    if machine.slurm is None:
        remedy = "export SLURM_CONF=/path/to/slurm.conf"
        yield Diagnosis("slurm.conf", "unknown", "none can be read here", remedy, by_hand=True)
        return
    for key, program in HOOKS.items():
        yield _hook(machine, key, program, machine.slurm.get(key, ""))
    flags = {one.strip().lower() for one in machine.slurm.get("prologflags", "").split(",")}
    if flags.isdisjoint({"contain", "alloc"}):
        told = "without PrologFlags=Contain a node hears of a job at its first step only"
        remedy = "PrologFlags=Contain in slurm.conf, then: scontrol reconfigure"
        yield Diagnosis("prologflags", "wrong", told, remedy, by_hand=True)
    else:
        yield Diagnosis("prologflags", "right", machine.slurm["prologflags"])


def _hook(machine: ExaminedNode, key: str, program: str, value: str) -> Diagnosis:
    name = key.capitalize()
    if not value:
        line = f"{name}={LIBEXEC}/{program} in slurm.conf, then: scontrol reconfigure"
        told = f"slurm.conf has no {name}: jobs are found in the cgroup tree only"
        return Diagnosis(key, "wrong", told, line, by_hand=True)
    called = {path: target for path, target in machine.executables.items() if fnmatch.fnmatchcase(path, value)}
    link = f"ln -sfn {LIBEXEC}/{program} {value.replace('*', '50-slurmlens')}"
    if not called:
        told = f"{name}={value} names nothing that can be executed: a Prolog that is missing drains the node"
        if "*" in value:
            return Diagnosis(key, "wrong", told, link)
        return Diagnosis(key, "wrong", told, f"install slurmlens-hooks, or make {value}", by_hand=True)
    if any(target == f"{LIBEXEC}/{program}" for target in called.values()):
        told = f"{name}={value} calls what a removal left in the place of {program}"
        return Diagnosis(key, "wrong", told, "install slurmlens-hooks", by_hand=True)
    if any(target.endswith("/slurmlens-hook") for target in called.values()):
        return Diagnosis(key, "right", f"{name}={value} calls {program}")
    if "*" in value:
        return Diagnosis(key, "wrong", f"{name}={value} calls others, and not {program}", link)
    told = f"{name}={value} is a site's own: whether it calls us cannot be seen from here"
    return Diagnosis(key, "unknown", told, f"{LIBEXEC}/slurmlens-hook.sh in a line of it", by_hand=True)


def _plugin(machine: ExaminedNode) -> Iterator[Diagnosis]:
    """Nothing is wrong with a site that does without it."""
    for line in machine.plugins:
        if not line.path.endswith(f"/{PLUGIN}"):
            continue
        if not line.is_there:
            told = f"plugstack.conf loads {line.path}, which is missing: every srun and sbatch prints an error"
            yield Diagnosis("spank", "wrong", told, "install slurmlens-spank, or take the line away", by_hand=True)
        elif line.is_required:
            told = f"{line.path} is required in plugstack.conf: a job fails where it cannot be loaded"
            yield Diagnosis("spank", "wrong", told, f"optional {line.path} in plugstack.conf", by_hand=True)
        else:
            yield Diagnosis("spank", "right", f"plugstack.conf loads {line.path}")


def _dropbox(machine: ExaminedNode) -> Diagnosis:
    if machine.is_dropbox_there:
        return Diagnosis("dropbox", "right", "/run/slurmlens/events is there")
    return Diagnosis("dropbox", "wrong", "/run/slurmlens/events is missing", "systemd-tmpfiles --create slurmlens.conf")


def _munge(machine: ExaminedNode) -> Diagnosis:
    if machine.is_munge_answering:
        return Diagnosis("munge", "right", "munged answers")
    return Diagnosis("munge", "wrong", "munged makes no credential", "systemctl start munge")


def _units(machine: ExaminedNode) -> Iterator[Diagnosis]:
    for unit, state in machine.units.items():
        if state == "active":
            yield Diagnosis(unit, "right", "is running")
        else:
            yield Diagnosis(unit, "wrong", f"is {state}", f"systemctl enable --now {unit}")
