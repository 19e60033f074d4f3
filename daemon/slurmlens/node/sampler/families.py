"""Parents and children among the watched cgroups, read together: what `kinship` needs to know at births and deaths.

Owns the descriptors by which a family's counters are read at one time, those of the parents alone included (the user's
folder on v1, the node's). Parents are read at births and deaths only, never at ticks: an ancestor's counter costs a
flush of all its descendants. Used by `engine`, in its thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from slurmlens.cgroup.layout import CgroupPlace, Hierarchy
from slurmlens.cgroup.reader import FAST_TICK, CgroupReader, OpenCgroup
from slurmlens.cgroup.reading import Reading
from slurmlens.errors import ReaderError
from slurmlens.node.sampler.accounts import Account
from slurmlens.node.sampler.kinship import REST_FIELDS, Counters, Departure, Kinship
from slurmlens.node.sampler.watched import Cgroup

LARGE_FAMILY = 32
"""From here on a birth alone does not have the whole family read."""


class _Ancestor(msgspec.Struct, frozen=True):
    place: CgroupPlace
    handle: OpenCgroup


class Families:
    """Every watched cgroup and its ancestors, by name."""

    def __init__(self, reader: CgroupReader, on_failure: Callable[[str, Exception | None], None]) -> None:
        self._reader = reader
        self._on_failure = on_failure
        self._kinship = Kinship()
        self._handles: dict[str, OpenCgroup] = {}
        self._accounts: dict[str, Account] = {}
        self._ancestors: dict[str, _Ancestor] = {}
        self._awaited: dict[str, CgroupPlace] = {}
        """The parent of each job whose CPU folders are not there yet: v1 makes memory's some milliseconds before."""

    def adopt_job(self, name: str, job: Cgroup, parent: CgroupPlace, now_ns: int, *, newborn: bool) -> None:
        """A job's cgroup is watched from now on, below the folder `parent`."""
        ancestor = self._ancestor(parent, now_ns, newborn=newborn)
        if ancestor is None:
            self._awaited[name] = parent
        self._accounts[name] = job.account
        self._adopt(name, job.handle, ancestor, now_ns, newborn=newborn)

    def adopt_step(self, name: str, step: Cgroup, job: str, now_ns: int, *, newborn: bool) -> None:
        """A step's cgroup is watched from now on, inside the job named `job`."""
        self._accounts[name] = step.account
        self._adopt(name, step.handle, job if job in self._kinship else None, now_ns, newborn=newborn)

    def balance(self, name: str) -> None:
        """The cgroup and all its children were read just now."""
        if name in self._awaited and self._handles[name].fields.issuperset(REST_FIELDS[:1]):
            self._find_parent(name)
        if name in self._kinship:
            self._note([name, *self._kinship.children(name)])
            self._kinship.balance(name)

    def _note(self, names: Iterable[str]) -> None:
        """Tell kinship the newest readings, which nobody needs at every tick."""
        for name in names:
            account = self._accounts.get(name)
            if account is not None and account.last_ns:
                counters = tuple(account.current(field) for field in REST_FIELDS)
                self._kinship.note(name, counters, account.last_ns)

    def settle_births(self, name: str, now_ns: int) -> dict[str, Departure | None]:
        """After the first reading of a newly adopted one: learn what its parent counts that is of nobody we watch.

        Answers with whoever was found dead meanwhile.
        """
        parent = self._kinship.parent(name) if name in self._kinship else None
        if parent is None or (self._kinship.is_balanced(parent) and len(self._kinship.children(parent)) > LARGE_FAMILY):
            return {}
        alive = self._read_family(parent)
        dead = [one for one in (parent, *self._kinship.children(parent)) if one not in alive]
        if dead:
            return self.bury(dead, now_ns)
        for one, counters in alive.items():
            self._kinship.note(one, counters, now_ns)
        self._kinship.balance(parent)
        return {}

    def bury(self, names: Iterable[str], now_ns: int) -> dict[str, Departure | None]:
        """These are gone: what they, and all that is found gone with them, used in all; None where nobody can tell."""
        found: dict[str, Departure | None] = {}
        for name in names:
            if name in self._kinship:
                found |= self._bury_one(name, now_ns)
        for name in found:
            self._close(name)
        return found

    def close(self) -> None:
        """Give the ancestors' descriptors back; the others are their owners'."""
        for ancestor in self._ancestors.values():
            ancestor.handle.close()

    def _bury_one(self, name: str, now_ns: int) -> dict[str, Departure | None]:
        parent = self._kinship.parent(name)
        while parent is not None:
            self._note(self._kinship.descendants(parent))
            alive = self._read_family(parent)
            alive.pop(name, None)
            if parent in alive:
                return dict(self._kinship.settle(parent, alive, now_ns))
            name, parent = parent, self._kinship.parent(parent)
        gone = self._kinship.descendants(name)
        self._kinship.remove(name)
        return dict.fromkeys(gone)

    def _read_family(self, parent: str) -> dict[str, Counters]:
        """The counters of a parent and its children, those that are alive, the parent's first."""
        names = [parent, *sorted(self._kinship.children(parent))]
        handles = [self._handles[name] for name in names]
        readings = zip(names, handles, self._reader.read(handles, FAST_TICK), strict=True)
        return {name: rest_counters(one) for name, handle, one in readings if not (one.gone and was_there(handle))}

    def _adopt(self, name: str, handle: OpenCgroup, parent: str | None, now_ns: int, *, newborn: bool) -> None:
        self._handles[name] = handle
        self._kinship.add(name, parent, now_ns, newborn=newborn)

    def _ancestor(self, place: CgroupPlace, now_ns: int, *, newborn: bool) -> str | None:
        """The name of a parent folder, watched from now on if it was not; v1 has the node's folder above the user's."""
        name = str(place.cpu)
        if name in self._kinship and not self._kinship.children(name) and not self._read_family(name):
            self.bury([name], now_ns)
        if name in self._kinship:
            return name
        try:
            handle = self._reader.open(place, REST_FIELDS)
        except ReaderError as error:
            self._on_failure(error.reason, error)
            return None
        if not handle.fields:
            handle.close()
            return None
        above = _above(place)
        grandparent = self._ancestor(above, now_ns, newborn=False) if above is not None else None
        self._ancestors[name] = _Ancestor(place, handle)
        self._adopt(name, handle, grandparent, now_ns, newborn=newborn and grandparent is not None)
        if grandparent is not None:
            self.settle_births(name, now_ns)
        return name if name in self._kinship else None

    def _find_parent(self, name: str) -> None:
        """The job's CPU folder has appeared, so the one above it is there too; what that one counts beyond the jobs
        that are known is of nobody watched."""
        now_ns = self._accounts[name].last_ns
        parent = self._ancestor(self._awaited.pop(name), now_ns, newborn=False)
        if parent is None:
            return
        self._kinship.set_parent(name, parent)
        alive = self._read_family(parent)
        if len(alive) == 1 + len(self._kinship.children(parent)):
            for one, counters in alive.items():
                self._kinship.note(one, counters, now_ns)
            self._kinship.balance(parent)

    def _close(self, name: str) -> None:
        self._awaited.pop(name, None)
        self._handles.pop(name, None)
        self._accounts.pop(name, None)
        ancestor = self._ancestors.pop(name, None)
        if ancestor is not None:
            ancestor.handle.close()


def was_there(handle: OpenCgroup) -> bool:
    """Whether one that reads as gone ever was there: a folder may be seen before any file in it can be opened."""
    return bool(handle.fields) or not handle.folder.exists()


def rest_counters(reading: Reading) -> Counters:
    """Of a reading, what `kinship` reckons with."""
    return tuple(reading.get(name) for name in REST_FIELDS)


def _above(place: CgroupPlace) -> CgroupPlace | None:
    """On v1 a user's folder goes with the user's last job, and the node's folder above it keeps what it used."""
    if place.hierarchy is Hierarchy.V1 and place.cpu.name.startswith("uid_"):
        return CgroupPlace(place.hierarchy, place.cpu.parent, place.memory.parent)
    return None
