"""Reads parents and children among the watched cgroups together: what `parent_remainder` needs at births and deaths.

Owns the descriptors by which the counters of a parent and its children are read at one time, those of the parents alone
included (the user's folder on v1, the node's). Parents are read at births and deaths only, never at ticks: an
ancestor's counter costs a flush of all its descendants. Invariants: a name stands for one cgroup at a time; whoever is
found dead, in whatever call, is returned once by `departures`; what is alive is never taken for dead because a folder
of its parent's name has gone (v1 removes a user's folder with the user's last job and makes it anew for the next). Used
by `engine`, in its thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from slurmlens.cgroup.layout import CgroupPlace, Hierarchy
from slurmlens.cgroup.reader import FAST_TICK, CgroupReader, OpenCgroup
from slurmlens.cgroup.reading import Reading
from slurmlens.errors import ReaderError
from slurmlens.node.sampler.accounts import Account
from slurmlens.node.sampler.parent_remainder import (
    CPU_FIELDS,
    REMAINDER_FIELDS,
    Counters,
    Departure,
    ParentRemainder,
)
from slurmlens.node.sampler.watched import Cgroup

MANY_CHILDREN = 32
"""From here on a birth alone does not have the whole family read."""


_FIELDS_OF = {Hierarchy.V1: CPU_FIELDS, Hierarchy.V2: REMAINDER_FIELDS}
"""What a parent has on record of its dead children."""


class _Ancestor(msgspec.Struct, frozen=True):
    handle: OpenCgroup
    inode: int


class RemainderReads:
    """Every watched cgroup and its ancestors, by name."""

    def __init__(self, reader: CgroupReader, on_failure: Callable[[str, Exception | None], None]) -> None:
        self._reader = reader
        self._on_failure = on_failure
        self._remainder = ParentRemainder()
        self._handles: dict[str, OpenCgroup] = {}
        self._accounts: dict[str, Account] = {}
        self._ancestors: dict[str, _Ancestor] = {}
        self._parents: dict[str, CgroupPlace] = {}
        """Of each job the folder above it."""
        self._awaited: set[str] = set()
        """Jobs whose CPU folders are not there yet (v1 makes memory's some milliseconds before), or that turned out to
        have another parent than was believed."""
        self._unsettled: set[str] = set()
        """Parents of many, of which is not known what they count beyond their children."""
        self._departed: dict[str, Departure | None] = {}

    def adopt_job(self, name: str, job: Cgroup, parent: CgroupPlace, now_ns: int, *, newborn: bool) -> None:
        """A job's cgroup is watched from now on, below the folder `parent`."""
        ancestor = self._ancestor(parent, now_ns, newborn=newborn)
        if ancestor is None:
            self._awaited.add(name)
        self._parents[name] = parent
        self._accounts[name] = job.account
        self._adopt(name, job.handle, ancestor, now_ns, newborn=newborn)

    def adopt_step(self, name: str, step: Cgroup, job: str, now_ns: int, *, newborn: bool, sleeps: bool) -> None:
        """A step's cgroup is watched from now on, inside the job named `job`."""
        self._accounts[name] = step.account
        parent = job if job in self._remainder else None
        self._adopt(name, step.handle, parent, now_ns, newborn=newborn, sleeps=sleeps)

    def departures(self) -> dict[str, Departure | None]:
        """Who was found dead since the last call, and what each used in all; None where nobody can tell."""
        departed, self._departed = self._departed, {}
        return departed

    def balance(self, name: str) -> None:
        """The cgroup and all its children were read just now."""
        if name in self._awaited and self._handles[name].fields.issuperset(CPU_FIELDS[:1]):
            self._find_parent(name)
        if name in self._remainder:
            self._note([name, *self._remainder.children(name)])
            self._remainder.balance(name)

    def _note(self, names: Iterable[str]) -> None:
        """Give `parent_remainder` the newest readings, which nobody needs at every tick."""
        for name in names:
            account = self._accounts.get(name)
            if account is not None and account.last_ns:
                counters = tuple(account.current(field) for field in REMAINDER_FIELDS)
                self._remainder.note(name, counters, account.last_ns)

    def settle_births(self, name: str, now_ns: int) -> None:
        """After the first reading of a newly adopted one: learn what its parent counts that is of nobody we watch."""
        parent = self._remainder.parent(name) if name in self._remainder else None
        if parent is None:
            return
        if len(self._remainder.children(parent)) <= MANY_CHILDREN:
            self._settle(parent, now_ns)
        elif not self._remainder.is_balanced(parent):
            self._unsettled.add(parent)

    def settle_parents(self, now_ns: int) -> None:
        """Once for all births of a moment: learn what the parents of many count beyond their children."""
        while self._unsettled:
            parent = self._unsettled.pop()
            if parent in self._remainder and not self._remainder.is_balanced(parent):
                self._settle(parent, now_ns)

    def bury(self, names: Iterable[str], now_ns: int) -> None:
        """These are gone: find out what they, and all that is found gone with them, used in all."""
        for name in names:
            if name not in self._remainder:
                continue
            found = self._bury_one(name, now_ns)
            for one in found:
                self._close(one)
            self._departed |= found

    def close(self) -> None:
        """Give the ancestors' descriptors back; the others are their owners'."""
        for ancestor in self._ancestors.values():
            ancestor.handle.close()

    def _settle(self, parent: str, now_ns: int) -> None:
        """Read a parent and its children now; whoever is found dead is buried."""
        alive = self._read_with_children(parent)
        dead = [one for one in (parent, *self._remainder.children(parent)) if one not in alive]
        if dead:
            self.bury(dead, now_ns)
            return
        for one, counters in alive.items():
            self._remainder.note(one, counters, now_ns)
        self._remainder.balance(parent)

    def _bury_one(self, name: str, now_ns: int) -> dict[str, Departure | None]:
        if name in self._ancestors:
            self._set_apart(self._read_with_children(name), name)
        parent = self._remainder.parent(name)
        while parent is not None:
            self._note(self._remainder.descendants(parent))
            alive = self._read_with_children(parent, now_ns)
            alive.pop(name, None)
            if parent in alive:
                return dict(self._remainder.settle(parent, alive, now_ns))
            self._set_apart(alive, parent)
            name, parent = parent, self._remainder.parent(parent)
        gone = self._remainder.descendants(name)
        self._remainder.remove(name)
        return dict.fromkeys(gone)

    def _set_apart(self, alive: Iterable[str], dead: str) -> None:
        """Of a folder that is gone no child is alive: those that are have another one of the same name above them."""
        for name in alive:
            if name != dead:
                self._remainder.set_apart(name)
                if name in self._parents:
                    self._awaited.add(name)

    def _read_with_children(self, parent: str, told_ns: int | None = None) -> dict[str, Counters]:
        """The counters of a parent and its children, those that are alive, the parent's first.

        With `told_ns` the parent's reading is of that time and goes into its account as well, where it is a job: the
        job's own high-water mark of memory holds what the step that died used last.
        """
        names = [parent, *sorted(self._remainder.children(parent))]
        handles = [self._handles[name] for name in names]
        readings = self._reader.read(handles, FAST_TICK)
        account = self._accounts.get(parent)
        if told_ns is not None and account is not None and not readings[0].gone:
            account.take(readings[0], told_ns)
        told = zip(names, handles, readings, strict=True)
        return {name: rest_counters(one) for name, handle, one in told if not (one.gone and was_there(handle))}

    def _adopt(
        self,
        name: str,
        handle: OpenCgroup,
        parent: str | None,
        now_ns: int,
        *,
        newborn: bool,
        sleeps: bool = False,
    ) -> None:
        self._remainder.add(name, parent, now_ns, newborn=newborn, sleeps=sleeps)
        self._handles[name] = handle

    def _ancestor(self, place: CgroupPlace, now_ns: int, *, newborn: bool) -> str | None:
        """The name of a parent folder, watched from now on if it was not; v1 has the node's folder above the user's."""
        name = str(place.cpu)
        known = self._ancestors.get(name)
        if known is not None and known.inode != _inode(place):
            self.bury([name], now_ns)
        if name in self._remainder:
            return name
        inode = _inode(place)
        try:
            handle = self._reader.open(place, _FIELDS_OF[place.hierarchy])
        except ReaderError as error:
            self._on_failure(error.reason, error)
            return None
        if not handle.fields:
            handle.close()
            return None
        above = _above(place)
        grandparent = self._ancestor(above, now_ns, newborn=False) if above is not None else None
        self._ancestors[name] = _Ancestor(handle, inode)
        self._adopt(name, handle, grandparent, now_ns, newborn=newborn and grandparent is not None)
        self.settle_births(name, now_ns)
        return name if name in self._remainder else None

    def _find_parent(self, name: str) -> None:
        """The job's CPU folder has appeared, so the one above it is there too; what that one counts beyond the jobs
        that are known is of nobody watched."""
        now_ns = self._accounts[name].last_ns
        self._awaited.discard(name)
        parent = self._ancestor(self._parents[name], now_ns, newborn=False)
        if parent is None:
            return
        self._remainder.set_parent(name, parent)
        self.settle_births(name, now_ns)

    def _close(self, name: str) -> None:
        """Forget what is gone; the descriptors of jobs and steps are their owners' to give back."""
        self._awaited.discard(name)
        self._unsettled.discard(name)
        self._parents.pop(name, None)
        self._handles.pop(name, None)
        self._accounts.pop(name, None)
        ancestor = self._ancestors.pop(name, None)
        if ancestor is not None:
            ancestor.handle.close()


def was_there(handle: OpenCgroup) -> bool:
    """Whether one that reads as gone ever was there: a folder may be seen before any file in it can be opened."""
    return bool(handle.fields) or not handle.folder.exists()


def rest_counters(reading: Reading) -> Counters:
    """Of a reading, what `parent_remainder` reckons with."""
    return tuple(reading.get(name) for name in REMAINDER_FIELDS)


def _inode(place: CgroupPlace) -> int:
    """Which folder it is: the kernel gives each cgroup a number of its own. 0 where there is none."""
    try:
        return place.cpu.stat().st_ino
    except OSError:
        return 0


def _above(place: CgroupPlace) -> CgroupPlace | None:
    """On v1 a user's folder goes with the user's last job, and the node's folder above it keeps what it used."""
    if place.hierarchy is Hierarchy.V1 and place.cpu.name.startswith("uid_"):
        return CgroupPlace(place.hierarchy, place.cpu.parent, place.memory.parent)
    return None
