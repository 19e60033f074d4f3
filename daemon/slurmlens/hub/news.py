"""What has just changed, and who hears of it: publish and subscribe inside one hub process.

Where several hubs share a database, `workers.exchange` takes facts from one process to the others.

Owns the kinds of facts and the subscriptions. A fact says that something changed and of what; the truth is read from
where it is kept. Published by `history`, once a transaction is committed, and by `scheduler`; heard by stages, pages.

Invariants: publishing never waits and costs those alone who subscribed to this kind, of this job where they named one.
What waits for a hearer is bounded, and a newer fact about the same thing takes the older one's place; a hearer that is
slower than that loses all that waits and gets `Missed` once, so it costs bounded memory and sees the truth by reading
anew. Everything here lives on one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable, Sequence

import msgspec

from slurmlens.slurm.associations import AccountPerson
from slurmlens.slurm.records import ClusterAnswer, JobRecord, NodeRecord
from slurmlens.wire.campaign_view import CampaignView

MOST_WAITING = 256


class Fact(msgspec.Struct, frozen=True):
    """Something that changed."""

    @property
    def about(self) -> Hashable:
        """A newer fact of the same kind about the same takes this one's place while it waits."""
        return None


class FactOfJob(Fact, frozen=True):
    """Something that changed about one job."""

    job_id: int

    @property
    def about(self) -> Hashable:
        """The job."""
        return self.job_id


class RunsChanged(FactOfJob, frozen=True):
    """The job's runs were concluded anew."""


class ProfileGrew(FactOfJob, frozen=True):
    """Bins were added to the profile of one of the job's sightings."""


class ProgressTold(FactOfJob, frozen=True):
    """A process of the job reported how far it is, or an event."""


class SightingBegan(FactOfJob, frozen=True):
    """A node reported that it runs the job."""

    node: str

    @property
    def about(self) -> Hashable:
        """The job on the node."""
        return self.job_id, self.node


class SightingEnded(FactOfJob, frozen=True):
    """A node reported that the job has ended there, or the summary of what it used."""


class BeatReceived(Fact, frozen=True):
    """A node's daemon lives; these jobs run there by its own word."""

    cluster: str
    node: str
    job_ids: frozenset[int]

    @property
    def about(self) -> Hashable:
        """The node."""
        return self.cluster, self.node


class SightingsClosed(Fact, frozen=True):
    """Sightings were closed that their nodes did not end; a heartbeat that lists one opens it again."""


class JobLookedAt(FactOfJob, frozen=True):
    """Somebody looks at a job at another hub that shares the database."""


class NodesStored(Fact, frozen=True):
    """The scheduler's nodes were stored: what hubs know that did not ask is to be read anew."""


class BatchStored(Fact, frozen=True):
    """A request with new events was stored: its profiles are still to be packed."""


class RunsMarked(Fact, frozen=True):
    """Marks were left in `stale_jobs`: runs of these jobs are still to be concluded."""


class QueueReceived(Fact, frozen=True):
    """The scheduler's whole queue, as it was answered just now."""

    records: Sequence[JobRecord]


class NodesReceived(Fact, frozen=True):
    """The scheduler's nodes, as they were answered just now."""

    records: Sequence[NodeRecord]


class ClusterReceived(Fact, frozen=True):
    """The scheduler's nodes, and partitions and switches where it was asked for them, as they were answered just
    now."""

    answer: ClusterAnswer


class AccountPeopleReceived(Fact, frozen=True):
    """Who belongs to which account and who coordinates it, as slurmdbd told it just now."""

    people: Sequence[AccountPerson]


class CampaignReceived(Fact, frozen=True):
    """What a campaign's controller told just now, and whose it is."""

    user: str
    view: CampaignView

    @property
    def about(self) -> Hashable:
        """The campaign."""
        return self.user, self.view.name


class TroubleLogged(Fact, frozen=True):
    """Lines that findings are made of were kept."""


class FindingsChanged(Fact, frozen=True):
    """Findings began, changed or ended, or somebody said something of one; `room` says in which hub that was."""

    room: str = ""


class Missed(Fact, frozen=True):
    """Facts were lost to this hearer: everything that it subscribed to may have changed."""


class Subscription:
    """Facts that wait for one hearer; an async iterator that ends when the hub closes, and once `close` was called."""

    def __init__(self, news: News, kinds: Sequence[type[Fact]], job_id: int | None, most_waiting: int) -> None:
        self.kinds = tuple(kinds)
        self.job_id = job_id
        self._news = news
        self._most_waiting = most_waiting
        self._waiting: dict[tuple[type[Fact], Hashable], Fact] = {}
        self._stirred = asyncio.Event()
        self._has_ended = False
        self._is_waited_for = False

    def offer(self, fact: Fact) -> None:
        """Takes a fact; never waits."""
        key = type(fact), fact.about
        self._waiting.pop(key, None)
        if len(self._waiting) >= self._most_waiting:
            self._waiting = {(Missed, None): Missed()}
        else:
            self._waiting[key] = fact
        self._stirred.set()

    def take_all(self) -> list[Fact]:
        """What waits, oldest first, without waiting for more."""
        facts, self._waiting = list(self._waiting.values()), {}
        return facts

    async def wait(self) -> None:
        """Until something waits, or nothing will come any more."""
        self._is_waited_for = True
        try:
            while not self._waiting and not self._has_ended:
                self._stirred.clear()
                await self._stirred.wait()
        finally:
            self._is_waited_for = False

    @property
    def is_idle(self) -> bool:
        """Whether the hearer has taken everything and waits for more."""
        return self._is_waited_for and not self._waiting

    def end(self) -> None:
        """Lets the hearer take what waits, then ends the iteration."""
        self._has_ended = True
        self._stirred.set()

    def close(self) -> None:
        """The hearer wants no more."""
        self._news.forget(self)
        self.end()

    def __aiter__(self) -> AsyncIterator[Fact]:
        return self

    async def __anext__(self) -> Fact:
        await self.wait()
        if not self._waiting:
            raise StopAsyncIteration
        return self._waiting.pop(next(iter(self._waiting)))


class News:
    """All subscriptions of this hub process."""

    def __init__(self) -> None:
        self._hearers: dict[tuple[type[Fact], int | None], set[Subscription]] = {}
        self._is_closed = False

    def subscribe(
        self, *kinds: type[Fact], job_id: int | None = None, most_waiting: int = MOST_WAITING
    ) -> Subscription:
        """Facts of these kinds from now on, of one job alone where it is named; until `Subscription.close`."""
        hearer = Subscription(self, kinds, job_id, most_waiting)
        if self._is_closed:
            hearer.end()
            return hearer
        for kind in kinds:
            self._hearers.setdefault((kind, job_id), set()).add(hearer)
        return hearer

    def forget(self, hearer: Subscription) -> None:
        """Takes a subscription out; one that is not there is no error."""
        for kind in hearer.kinds:
            place = kind, hearer.job_id
            hearers = self._hearers.get(place, set())
            hearers.discard(hearer)
            if not hearers:
                self._hearers.pop(place, None)

    def publish(self, fact: Fact, *, unless: Subscription | None = None) -> None:
        """Offers a fact to all who subscribed to its kind, and to its job; `unless` says who knows it already."""
        kind = type(fact)
        for hearer in self._hearers.get((kind, None), ()):
            if hearer is not unless:
                hearer.offer(fact)
        if isinstance(fact, FactOfJob):
            for hearer in self._hearers.get((kind, fact.job_id), ()):
                hearer.offer(fact)

    def publish_missed(self, *, unless: Subscription | None = None) -> None:
        """Facts of other hubs may have been lost, or there was nobody to hear them: all read anew."""
        for hearer in {one for hearers in self._hearers.values() for one in hearers} - {unless}:
            hearer.offer(Missed())

    def is_heard(self, kind: type[Fact]) -> bool:
        """Whether somebody hears all facts of this kind."""
        return (kind, None) in self._hearers

    def close(self) -> None:
        """Ends every subscription, now and to come: the hub stops."""
        self._is_closed = True
        for hearer in {one for hearers in self._hearers.values() for one in hearers}:
            hearer.end()
