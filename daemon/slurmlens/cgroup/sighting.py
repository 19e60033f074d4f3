"""What appeared in and what went from a node's cgroup tree: the values `node.rediscover` yields, and how they are
found.

Owns `CgroupSeen`, `CgroupGone`, `StepStirred` and `TreeSeen`, and the roster they are computed from; does no I/O and is
told the time. A job is reported once it has a name (its job id), its steps after it; it goes after its steps. Fed by
`tree.CgroupTree`; feeds the registry and the sampler.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from slurmlens.cgroup.layout import CgroupPlace
from slurmlens.cgroup.tree import JobCgroup, StepCgroup
from slurmlens.clock import Moment

SLUIDS_LEARNT = 1024
"""Of jobs whose folders have not been seen: what an Epilog says of one that has gone is of no use to anybody."""


class CgroupSeen(msgspec.Struct, frozen=True):
    """A job's cgroup (`step` None) or a step's is there. Open it at once: it may live for less than half a second.

    `key` is the job's folder; a requeued job's has the same name again, so (`key`, `life`) is what all values of one
    life share; `parent` is where the CPU seconds of a dead job remain on record.
    """

    key: str
    life: int
    job_id: int
    step: str | None
    sluid: str | None
    uid: int | None
    place: CgroupPlace
    parent: CgroupPlace
    when: Moment


class CgroupGone(msgspec.Struct, frozen=True):
    """A job's cgroup (`step` None) or a step's is there no more."""

    key: str
    life: int
    job_id: int
    step: str | None
    when: Moment


class StepStirred(msgspec.Struct, frozen=True):
    """The last process has left a step's cgroup, or one came into an empty one. Look at once: slurmstepd removes it."""

    key: str
    life: int
    step: str


class TreeSeen(msgspec.Struct, frozen=True):
    """All that was in the tree when the look at it began has been told, or has gone."""

    when: Moment


Sighting = CgroupSeen | CgroupGone | StepStirred | TreeSeen


class CgroupRoster:
    """Who is on the node as far as we have reported; compares it with a fresh look and says what changed."""

    def __init__(self) -> None:
        self._jobs: dict[str, JobCgroup] = {}
        self._unnamed: set[str] = set()
        self._known_sluids: dict[str, int] = {}
        self._lives: dict[str, int] = {}
        self._born = 0

    def known(self, key: str) -> JobCgroup | None:
        """The job of this key as we reported it last, None when we have not or it has gone."""
        return self._jobs.get(key)

    @property
    def keys(self) -> frozenset[str]:
        """Keys of all folders of the last look, named or not."""
        return frozenset(self._jobs) | self._unnamed

    @property
    def unnamed(self) -> frozenset[str]:
        """Keys of folders that are there but whose job is not known yet."""
        return frozenset(self._unnamed)

    def learn(self, sluid: str, job_id: int) -> None:
        """A hook of Slurm said which job a SLUID is; its folder needs no title then."""
        self._known_sluids[sluid] = job_id
        if len(self._known_sluids) > SLUIDS_LEARNT:
            del self._known_sluids[next(iter(self._known_sluids))]

    def look_at(self, key: str, job: JobCgroup | None, when: Moment) -> Iterator[Sighting]:
        """Takes a look at one job's folder; None when it is not there."""
        known = self._jobs.get(key)
        if known is not None and (job is None or not job.inodes & known.inodes):
            yield from self._forget(known, when)
            known = None
        self._unnamed.discard(key)
        if job is None:
            return
        named = self._named(job, known)
        if named.job_id is None:
            self._unnamed.add(key)
            return
        if known is None:
            self._born += 1
            self._lives[key] = self._born
        self._jobs[key] = named
        yield from _changes(known, named, self._lives[key], when)

    def stirred(self, key: str, step: str) -> Iterator[StepStirred]:
        """Something happened in a step; nothing where it has not been reported."""
        job = self._jobs.get(key)
        if job is not None and any(one.step == step for one in job.steps):
            yield StepStirred(key, self._lives[key], step)

    def _named(self, job: JobCgroup, known: JobCgroup | None) -> JobCgroup:
        """The job with what we knew before: a title or a task's user is not there at every look."""
        job_id, uid = job.job_id, job.uid
        if known is not None:
            job_id, uid = known.job_id, known.uid if uid is None else uid
        elif job_id is None and job.sluid is not None:
            job_id = self._known_sluids.get(job.sluid)
        return msgspec.structs.replace(job, job_id=job_id, uid=uid)

    def _forget(self, job: JobCgroup, when: Moment) -> Iterator[CgroupGone]:
        del self._jobs[job.key]
        life = self._lives.pop(job.key)
        if job.sluid is not None:
            self._known_sluids.pop(job.sluid, None)
        for step in job.steps:
            yield _gone(job, step.step, life, when)
        yield _gone(job, None, life, when)


def _changes(before: JobCgroup | None, now: JobCgroup, life: int, when: Moment) -> Iterator[Sighting]:
    if before is None:
        yield _seen(now, None, life, when)
    known = {step.step for step in before.steps} if before else set()
    there = {step.step for step in now.steps}
    for name in sorted(known - there):
        yield _gone(now, name, life, when)
    for step in now.steps:
        if step.step not in known:
            yield _seen(now, step, life, when)


def _seen(job: JobCgroup, step: StepCgroup | None, life: int, when: Moment) -> CgroupSeen:
    assert job.job_id is not None
    place = step.place if step else job.place
    name = step.step if step else None
    return CgroupSeen(job.key, life, job.job_id, name, job.sluid, job.uid, place, job.parent, when)


def _gone(job: JobCgroup, step: str | None, life: int, when: Moment) -> CgroupGone:
    assert job.job_id is not None
    return CgroupGone(job.key, life, job.job_id, step, when)
