"""What dead cgroups used after their last sample: the rest that their parents still have on record.

A cgroup's CPU counter keeps what its dead children used (v1 cpuacct and v2 cpu.stat, both measured), and v2's count of
OOM kills does too (`memory.events` is hierarchical; v1 counts them in the task's folder alone). So what a parent
counts, less what its living children count, less what was already known to belong to nobody alive (`own`), is what the
children that died since then used in all. One dead child: exact. Several: an exact sum, split by how long each had gone
unseen and how busy it had been, and marked as split; kills are not shared out so: whose they were is unknown then. A
job works in its steps, so it has as much part in a split as those of its steps that died with it; the step `extern`
only waits for the job's end, unless it was seen to work (somebody is logged in).

Owns the tree of watched cgroups and each parent's `own`. Pure: counters come in as tuples of `REMAINDER_FIELDS`, all
read at one time; nothing here reads. The tree is as deep as the layout: node, user (v1), job, step. A dead parent (v1
removes a user's folder with the user's last job) is solved from its own parent first. Used by `remainder_reads`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from slurmlens.events import FigureSource

Counters = tuple[int | None, ...]
"""One value per field of `REMAINDER_FIELDS`; None where it cannot be read."""

CPU_FIELDS = ("cpu_usage_ns", "cpu_user_ns", "cpu_system_ns")
KILLED = "oom_kill_events"
REMAINDER_FIELDS = (*CPU_FIELDS, KILLED)
_KILLED = REMAINDER_FIELDS.index(KILLED)
_NOTHING: Counters = (0,) * len(REMAINDER_FIELDS)
_UNREAD: Counters = (None,) * len(REMAINDER_FIELDS)
_ASLEEP_NS = 50_000_000
"""A cgroup that sleeps uses less than this to start its process."""
_ASLEEP_CORES = 1e-6


class Departure(msgspec.Struct, frozen=True):
    """What a dead cgroup counted when it died, and what that stands on: PARENT_REST is exact, PARENT_REST_SPLIT a
    share of an exact sum; LAST_SAMPLE where the parent could tell nothing. OOM kills are exact or None."""

    counters: Counters
    source: FigureSource


class _Member(msgspec.Struct):
    """One cgroup. `last` is its newest reading, `seen_ns` when; `own` is what it counts that no living child does."""

    parent: str | None
    born_ns: int
    last: Counters = _UNREAD
    seen_ns: int = 0
    own: Counters | None = None
    children: set[str] = msgspec.field(default_factory=set)
    sleeps: bool = False
    had_children: bool = False

    def weight(self, now_ns: int) -> float:
        """How much of a shared rest is probably this one's: unseen time times the cores it kept busy before."""
        unseen_ns = max(1, now_ns - self.seen_ns)
        used_ns = self.last[0] or 0
        if self.had_children or (self.sleeps and used_ns < _ASLEEP_NS):
            return unseen_ns * _ASLEEP_CORES
        return unseen_ns * max(0.001, used_ns / max(1, self.seen_ns - self.born_ns))


class ParentRemainder:
    """The tree of the cgroups that are watched, by name, and what each parent counts beyond its living children."""

    def __init__(self) -> None:
        self._members: dict[str, _Member] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def add(self, name: str, parent: str | None, now_ns: int, *, newborn: bool, sleeps: bool = False) -> None:
        """A cgroup is watched from now on; its parent, if it has one, must be known.

        A newborn counts nothing yet, so nothing in it can be from unknown dead children; of an older one `balance` must
        tell first what it holds, and of its parent again how much of that is the parent's own. One that `sleeps` (the
        step extern, whose process waits for the job's end) has no part in a shared rest, unless it was seen to work.
        """
        assert name not in self._members, "it would leave its children, and its parent, with a name that nobody has"
        self._members[name] = _Member(parent, now_ns, seen_ns=now_ns, own=_NOTHING if newborn else None, sleeps=sleeps)
        if parent is None:
            return
        self._members[parent].children.add(name)
        self._members[parent].had_children = True
        if not newborn:
            self._members[parent].own = None

    def set_parent(self, name: str, parent: str) -> None:
        """The parent of one that was added without one; `balance` must tell next what the parent holds."""
        self._members[name].parent = parent
        member = self._members[parent]
        member.children.add(name)
        member.had_children = True
        member.own = None

    def set_apart(self, name: str) -> None:
        """It has another parent than was believed, which is not known yet."""
        member = self._members[name]
        if member.parent in self._members:
            self._members[member.parent].children.discard(name)
        member.parent = None

    def remove(self, name: str) -> None:
        """It is no longer watched; its children, if any are left, go with it."""
        member = self._members.pop(name, None)
        if member is None:
            return
        if member.parent in self._members:
            self._members[member.parent].children.discard(name)
        for child in list(member.children):
            self.remove(child)

    def parent(self, name: str) -> str | None:
        return self._members[name].parent

    def children(self, name: str) -> frozenset[str]:
        return frozenset(self._members[name].children)

    def descendants(self, name: str) -> list[str]:
        """The cgroup and all below it."""
        return [name, *(one for child in sorted(self._members[name].children) for one in self.descendants(child))]

    def is_balanced(self, name: str) -> bool:
        """Whether it is known what this one counts that none of its children does."""
        return self._members[name].own is not None

    def note(self, name: str, counters: Counters, now_ns: int) -> None:
        """A reading was taken of one cgroup; what could not be read stays as it was."""
        member = self._members[name]
        member.last = tuple(old if new is None else new for old, new in zip(member.last, counters, strict=True))
        member.seen_ns = now_ns

    def balance(self, parent: str) -> None:
        """Parent and all its children were read just now: what the parent counts beyond them is its own."""
        member = self._members[parent]
        member.own = _less(member.last, (self._members[child].last for child in member.children))

    def settle(self, parent: str, alive: Mapping[str, Counters], now_ns: int) -> dict[str, Departure]:
        """What every child of `parent` that is not in `alive` counted in all, and what their children did.

        `alive` holds the readings, taken just now, of `parent` and of its living children. The dead are removed from
        the tree.
        """
        for name, counters in alive.items():
            self.note(name, counters, now_ns)
        # What cannot be read of the parent now tells nothing of who died now, whatever it said before.
        self._members[parent].last = alive[parent]
        found: dict[str, Departure] = {}
        self._solve(parent, alive, now_ns, FigureSource.PARENT_REST, found)
        for name in found:
            self.remove(name)
        return found

    def _solve(
        self, name: str, alive: Mapping[str, Counters], now_ns: int, best: FigureSource, found: dict[str, Departure]
    ) -> None:
        member = self._members[name]
        living = [child for child in member.children if child in alive]
        dead = sorted(member.children - set(living))
        if dead:
            self._bury(member, living, dead, now_ns, best, found)
        member.own = _less(member.last, (self._members[child].last for child in living))
        for child in dead:
            self._solve(child, alive, now_ns, found[child].source, found)

    def _weight(self, member: _Member, now_ns: int) -> float:
        """A job's processes are in its steps: what it used unseen is what those used that were alive when last seen."""
        if member.children:
            return sum(self._weight(self._members[child], now_ns) for child in member.children)
        return member.weight(now_ns)

    def _bury(
        self,
        member: _Member,
        living: list[str],
        dead: list[str],
        now_ns: int,
        best: FigureSource,
        found: dict[str, Departure],
    ) -> None:
        """Give the dead children what the parent has on record; `best` is what the parent's own figure is worth."""
        gone = [self._members[child] for child in dead]
        rest, source = _UNREAD, FigureSource.LAST_SAMPLE
        if member.own is not None:
            known = [member.own, *(self._members[child].last for child in living), *(one.last for one in gone)]
            rest = tuple(
                None if own is None else left for own, left in zip(member.own, _less(member.last, known), strict=True)
            )
            shared = len(dead) > 1 and bool(rest[0]) and best is FigureSource.PARENT_REST
            source = FigureSource.PARENT_REST_SPLIT if shared else best
        shares = _shares([self._weight(one, now_ns) for one in gone])
        are_kills_known = rest[_KILLED] is not None and (len(dead) == 1 or not rest[_KILLED])
        for child, one, share in zip(dead, gone, shares, strict=True):
            one.last = _more(one.last, rest, share)
            if not are_kills_known:
                one.last = (*one.last[:_KILLED], None)
            found[child] = Departure(one.last, source)


def _less(whole: Counters, parts: Iterable[Counters]) -> Counters:
    """`whole` less all `parts`, field by field, never below zero; unknown where the whole is."""
    left = list(whole)
    for part in parts:
        left = [None if value is None else value - (known or 0) for value, known in zip(left, part, strict=True)]
    return tuple(None if value is None else max(0, value) for value in left)


def _more(base: Counters, rest: Counters, share: float) -> Counters:
    """`base` plus its share of `rest`; an unknown rest adds nothing."""
    return tuple(
        known if more is None else (known or 0) + round(more * share) for known, more in zip(base, rest, strict=True)
    )


def _shares(weights: list[float]) -> list[float]:
    whole = sum(weights)
    return [weight / whole for weight in weights]
