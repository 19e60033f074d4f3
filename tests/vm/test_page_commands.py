"""Every command of docs/installation.md is run as it stands there, and takes what it is given."""

from __future__ import annotations

from deploy.vm.machine import VirtualMachine

from testkit.checkout import ROOT
from vm.documented_commands import commands, runnable

ALLOWED = {
    # Whether all is right is for it to say: 1 is an answer.
    "slurmlens doctor": {0, 1},
    "slurmlens setup": {0, 1},
    # A job of that number may not have been there.
    "journalctl": {0, 1},
    # Its own test removes the hooks before; this one leaves them.
    "rm -r": None,
    # Answered with the way to log in where the hub asks nobody who he is.
    "slurmlens login": {0, 1},
}


def test_every_command_of_the_page_on_installing_can_be_typed(cluster: VirtualMachine) -> None:
    written = commands((ROOT / "docs/installation.md").read_text())
    assert len(written) >= 12
    failed = []
    for command in written:
        allowed = next((found for begin, found in ALLOWED.items() if command.startswith(begin)), {0})
        if allowed is None:
            continue
        said = cluster.run(f"{runnable(command)} </dev/null 2>&1; echo $?", check=False)
        if int(said.split()[-1]) not in allowed:
            failed.append((command, said[-400:]))
    assert failed == []
