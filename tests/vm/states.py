"""The saved states of a release's virtual machine: each is made where it is not there, or was made of other things."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from deploy.vm.machine import VirtualMachine


class States(NamedTuple):
    """A machine and the names of its saved states: what a state was made of is part of its name."""

    machine: VirtualMachine
    installed: str
    ready: str


BOOTED = "booted"


def name_of(stem: str, made_of: bytes) -> str:
    """A state's name, of which the stem says what it is, and the rest changes with what it is made of."""
    return f"{stem}-{hashlib.sha256(made_of).hexdigest()[:12]}"


def saved(machine: VirtualMachine, state: str, make: Callable[[], None]) -> None:
    """Has that state among the saved ones, instead of an older one of its stem."""
    there = machine.states()
    if state in there:
        return
    make()
    for old in there:
        if old.partition("-")[0] == state.partition("-")[0]:
            machine.forget(old)
    machine.save(state)
