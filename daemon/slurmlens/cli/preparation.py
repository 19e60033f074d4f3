"""What a host needs for a role (node, hub or relay), as steps with the commands that do them. Pure: a host as it was
examined and what somebody wishes in, steps out.

Owns the order of docs/installation.md and which file the settings go into: one of our own beside the shipped one, which
stays the package's. The faults of a compute node, and their remedies, are `diagnosis`'s. Used by `commands.setup`,
which looks and carries out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from slurmlens.cli.diagnosis import Diagnosis, ExaminedNode, diagnose

Role = Literal["node", "hub", "relay"]

UNITS: Mapping[Role, tuple[str, ...]] = {
    "node": ("run-slurmlens-events.mount", "slurmlens-node.service"),
    "hub": ("slurmlens-hub.service",),
    "relay": ("slurmlens-relay.service",),
}
_LATER = ("settings", *UNITS["node"])
"""What `diagnose` finds and has a step of its own here."""


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for. None: what is set already, or what slurm.conf says of the cluster, stays."""

    role: Role
    cluster: str | None = None
    hub_url: str | None = None
    listen: str | None = None


class ExaminedHost(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. `settings` is the text of our own file, None where there is none; `running` are units that are
    enabled and active, None where no systemd answers; `node` is of a compute node alone."""

    cluster: str | None
    settings: str | None
    running: frozenset[str] | None
    node: ExaminedNode | None = None


class SetupStep(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to be done: by `command`, text for a shell, or by hand where that is None."""

    subject: str
    told: str
    command: str | None = None
    is_done: bool = False


def settings_path(role: Role) -> str:
    """Read after the shipped file, so what it says holds."""
    return f"/etc/slurmlens/{role}.conf.d/10-setup.toml"


def prepare(wishes: Wishes, host: ExaminedHost) -> list[SetupStep]:
    """All steps of a role, in the order in which they are to be done."""
    steps = [_settings(wishes, host)]
    found = diagnose(host.node) if host.node is not None else []
    steps += [_of_node(one) for one in found if one.subject == "dropbox"]
    steps.append(_units(wishes.role, host.running))
    steps += [_of_node(one) for one in found if one.subject not in (*_LATER, "dropbox")]
    return steps


def _settings(wishes: Wishes, host: ExaminedHost) -> SetupStep:
    cluster = wishes.cluster or host.cluster
    if cluster is None:
        return SetupStep(subject="settings", told="no slurm.conf can be read here: say --cluster NAME")
    text = "".join(_lines(wishes, cluster))
    path = settings_path(wishes.role)
    if wishes == Wishes(role=wishes.role) and host.settings is not None:
        return SetupStep(subject="settings", told=f"{path} is there and nothing else was asked for", is_done=True)
    shipped = f"/etc/slurmlens/{wishes.role}.toml"
    write = f"install -D -m 0644 /dev/stdin {path} <<'END'\n{text}END\nslurmlens validate --quiet {shipped}"
    return SetupStep(subject="settings", told=f"{path}: {_joined(text)}", command=write, is_done=host.settings == text)


def _lines(wishes: Wishes, cluster: str) -> Iterator[str]:
    yield f"cluster = {_quoted(cluster)}\n"
    if wishes.listen is not None:
        yield f"\n[listen]\nhost = {_quoted(wishes.listen)}\n"
        if wishes.role == "hub":
            yield "\n[access]\n"  # else it shows nothing to other machines; the defaults show each his own
    if wishes.hub_url is not None:
        yield f"\n[sinks.hub]\nurl = {_quoted(wishes.hub_url)}\n"


def _quoted(value: str) -> str:
    """A JSON string is a TOML basic string, on one line, but for DEL, which TOML wants escaped."""
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")


def _joined(text: str) -> str:
    return " ".join(text.split())


def _units(role: Role, running: frozenset[str] | None) -> SetupStep:
    names = " ".join(UNITS[role])
    if running is None:
        return SetupStep(subject="units", told=f"no systemd runs here: have slurmlens-{role} started by what does")
    is_done = running.issuperset(UNITS[role])
    return SetupStep(
        subject="units", told=f"{names}, now and at boot", command=f"systemctl enable --now {names}", is_done=is_done
    )


def _of_node(found: Diagnosis) -> SetupStep:
    command = None if found.by_hand else found.remedy
    told = f"{found.told}; {found.remedy}" if found.by_hand and found.remedy else found.told
    return SetupStep(subject=found.subject, told=told, command=command, is_done=found.state == "right")
