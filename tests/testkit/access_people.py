"""The people of the tests of who may see what, and jobs of theirs in a real history.

alice and carl share the account physics, bob has bio; carol coordinates physics. olga is an operator (by her group),
max of the management, ada the auditor. Jobs: see `JOBS`; number 44 was alice's, and its id was given to bob later.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.config.access import AccessConfig
from slurmlens.hub.access.account_people import AccountPeople
from slurmlens.hub.access.rules import Rules
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.inventory.recording import InventoryRecorder
from slurmlens.slurm.associations import AccountPerson
from slurmlens.slurm.records import JobState
from testkit.hub_history import History, record
from testkit.inventories import fact, relation, telling
from testkit.told_events import BEGIN_S, Told

UIDS = {"alice": 3001, "bob": 3002, "carl": 3003, "carol": 3004, "olga": 3005, "max": 3006, "ada": 3007, "o'x\"": 3008}
SETTINGS = {"operators": ("root", "@staff"), "management": ("max",), "auditors": ("ada",)}
PEOPLE = (
    AccountPerson("alice", "physics", False),
    AccountPerson("carl", "physics", False),
    AccountPerson("bob", "bio", False),
    AccountPerson("carol", "physics", True),
    AccountPerson("o'x\"", "bi'o\"", False),
)


class JobOf(NamedTuple):
    """A job of a person's; it ended badly on node n1, as all do."""

    job_id: int
    user: str
    account: str
    submit: int = 0


JOBS = (
    JobOf(41, "alice", "physics"),
    JobOf(42, "bob", "bio"),
    JobOf(43, "carl", "physics"),
    JobOf(44, "alice", "physics"),
    JobOf(44, "bob", "bio", submit=5_000),
    JobOf(45, "o'x\"", "bi'o\""),
)


class MadeUsers:
    """Unix users and groups as a test says; may be changed."""

    def __init__(self) -> None:
        self.uids = {"root": 0} | UIDS
        self.groups = {"olga": frozenset({"staff"})}

    def name_of(self, uid: int) -> str | None:
        return next((name for name, own in self.uids.items() if own == uid), None)

    def is_user(self, name: str) -> bool:
        return self.uids.get(name, 0) != 0

    def groups_of(self, name: str) -> frozenset[str]:
        return self.groups.get(name, frozenset())


async def tell_jobs(history: History) -> None:
    """All of `JOBS`, by the scheduler and by their node."""
    for job in JOBS:
        ended = record(
            JobState.FAILED, job_id=job.job_id, submit=job.submit, start=job.submit, end=job.submit + 60, nodes=("n1",)
        )
        await history.learn(msgspec.structs.replace(ended, user=job.user, user_id=UIDS[job.user], account=job.account))
        told = Told(job_id=job.job_id, sighting=f"s{job.submit}")
        await history.hear(told.start(job.submit + 0.2), told.summary(job.submit + 0.2, job.submit + 59.5))
    await history.refresh()


async def tell_cluster(history: History) -> None:
    """The node of the jobs with its partition and switch, and whose jobs there are."""
    names = ("node n1", "partition all", "switch s1", "group staff", "user alice", "user bob", "account bio")
    ties = relation("partition all", "contains", "node n1"), relation("switch s1", "contains", "node n1")
    charged = relation("user bob", "charges", "account bio")
    told = telling((BEGIN_S - 60) * NS_PER_S, *(fact(name, "exists", True) for name in names), *ties, charged)
    await InventoryRecorder(history.store, "demo").take(told)


async def make_rules(history: History, users: MadeUsers | None = None, **settings: object) -> Rules:
    """The rules of `SETTINGS` over the people above."""
    people = AccountPeople(history.store, "demo")
    await people.replace(PEOPLE)
    return Rules(AccessConfig(**SETTINGS | settings), people, users or MadeUsers(), history.clock)


async def viewer_named(history: History, name: str, **settings: object) -> Viewer:
    """Somebody by the rules."""
    return await (await make_rules(history, **settings)).viewer(name)
