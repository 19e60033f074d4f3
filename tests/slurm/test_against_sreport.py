"""Our figures of a day beside those that a real slurmdbd rolls up of the same day, second by second.

Jobs and nodes of yesterday are put into the accounting database; slurmdbd is started anew and rolls them up, `sreport`
says what it made of them. The hub reads the same jobs by `sacct` and is told the same of the nodes. Where the two
differ by definition (docs/reports.md) the difference is what the definition says, to the second.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from deploy.component import start_and_wait
from deploy.database import SOCKET
from deploy.errors import MachineLacks
from deploy.sandbox import Sandbox
from deploy.slurm import SmallSlurm

from slurmlens.config.hub import SlurmConfig
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.inventory.collectors.nodes import tell_nodes
from slurmlens.hub.inventory.recording import InventoryRecorder
from slurmlens.hub.usage.facts import NodeTimeFacts, UsageFacts, UsageWindow
from slurmlens.hub.usage.keeping import UsageKeeper
from slurmlens.hub.usage.node_keeping import NodeTimeKeeper
from slurmlens.hub.usage.node_time import CLUSTER, UnitState
from slurmlens.hub.usage.read import UsageQueries
from slurmlens.hub.views.usage.build import usage_table
from slurmlens.slurm.records import Decoded, NodeRecord
from slurmlens.slurm.source import CommandSource
from testkit.hub_history import History
from testkit.manual_clock import NS_PER_S, ManualClock
from testkit.slurm_inside import Inside

pytestmark = pytest.mark.slurm

DAY_S, HOUR_S = 86_400, 3_600
CORES = 4
NODES = ("c1", "c2")
DOWN_FROM_S, DOWN_TO_S = 10 * HOUR_S, 11 * HOUR_S + 1_800
SUSPENDED_S = 1_200
PENDING_S = 1_800
COMPLETED, FAILED, NODE_FAIL = 3, 5, 7
DOWN = 1
ROLLUP_MAX_S = 60.0


class Job(NamedTuple):
    """A row of slurmdbd's; times are seconds of the day."""

    job_id: int
    user: str
    start_s: int
    end_s: int
    cores: int
    nodes: str
    state: int = COMPLETED
    suspended_s: int = 0
    waited_s: int = 0


JOBS = (
    Job(101, "alice", -1_800, HOUR_S + 123, 2, "c1"),  # began the day before
    Job(102, "bob", 2 * HOUR_S + 17, 5 * HOUR_S + 41, 4, "c2", waited_s=PENDING_S),
    Job(103, "john", 6 * HOUR_S, 9 * HOUR_S + 59, 1, "c1", FAILED),
    Job(104, "alice", 12 * HOUR_S, 12 * HOUR_S + 1_800, 2, "c2", NODE_FAIL),  # and runs again
    Job(104, "alice", 12 * HOUR_S + 2_400, 13 * HOUR_S, 2, "c2"),
    Job(105, "jane", 14 * HOUR_S, 16 * HOUR_S, 4, "c2", suspended_s=SUSPENDED_S),
    Job(106, "dave", 17 * HOUR_S + 1, 17 * HOUR_S + 1_802, 8, "c[1-2]"),
    Job(107, "carol", 23 * HOUR_S, DAY_S + 900, 3, "c1"),  # ends the day after
)


class Accounting:
    """A slurmdbd with its database, and no controller."""

    def __init__(self, slurm: SmallSlurm) -> None:
        self.slurm = slurm

    def sql(self, statement: str) -> list[list[str]]:
        argv = ["mariadb", "--no-defaults", f"--socket={SOCKET}", "-N", "-B", "slurm_acct_db", "-e", statement]
        return [line.split("\t") for line in self.slurm.sandbox.run(argv).stdout.splitlines()]

    def put(self, day_s: int) -> None:
        """The day's jobs and nodes, as slurmctld would have told them."""
        whole = CORES * len(NODES)
        registered = f"({day_s - HOUR_S}, 0, '', 'c[1-2]', 'Cluster Registered TRES', 0, '1={whole},2=16000,4=2')"
        down = f"({day_s + DOWN_FROM_S}, {day_s + DOWN_TO_S}, 'c2', '', 'dead fan', {DOWN}, '1={CORES},2=8000')"
        names = "time_start, time_end, node_name, cluster_nodes, reason, state, tres"
        self.sql(f"insert into demo_event_table ({names}) values {registered}, {down}")
        owners = {user: (number, account) for number, user, account in self.sql(_ASSOCIATIONS)}
        for job in JOBS:
            self._put_job(job, *owners[job.user], day_s)

    def _put_job(self, job: Job, association: str, account: str, day_s: int) -> None:
        start_s = day_s + job.start_s
        begun_s = start_s - max(job.waited_s, 1)
        tres = f"1={job.cores},2=1000,4=1"
        values = {
            "account": f"'{account}'",
            "cpus_req": job.cores,
            "job_name": "'sreport'",
            "id_assoc": association,
            "id_job": job.job_id,
            "id_resv": 0,
            "id_wckey": 0,
            "id_user": _UID[job.user],
            "id_group": _UID[job.user],
            "het_job_id": 0,
            "het_job_offset": 0,
            "state_reason_prev": 0,
            "nodelist": f"'{job.nodes}'",
            "nodes_alloc": 2 if "[" in job.nodes else 1,
            "`partition`": "'all'",
            "priority": 1,
            "state": job.state,
            "timelimit": 600,
            "time_submit": begun_s,
            "time_eligible": begun_s,
            "time_start": start_s,
            "time_end": day_s + job.end_s,
            "time_suspended": job.suspended_s,
            "tres_alloc": f"'{tres}'",
            "tres_req": f"'{tres}'",
        }
        self.sql(f"insert into demo_job_table ({', '.join(values)}) values ({', '.join(map(str, values.values()))})")
        if job.suspended_s:
            since_s = start_s + HOUR_S
            row = f"(select max(job_db_inx) from demo_job_table), {association}, {since_s}, {since_s + job.suspended_s}"
            self.sql(f"insert into demo_suspend_table (job_db_inx, id_assoc, time_start, time_end) values ({row})")

    def roll_up(self, until_s: int) -> None:
        """slurmdbd counts everything again, as it does when it starts."""
        self.sql("delete from demo_last_ran_table")
        self.slurm.slurmdbd.stop()
        start_and_wait(self.slurm.slurmdbd)
        deadline = time.monotonic() + ROLLUP_MAX_S
        while not any(int(row[0]) >= until_s for row in self.sql("select daily_rollup from demo_last_ran_table")):
            assert time.monotonic() < deadline, self.sql("select * from demo_last_ran_table")
            time.sleep(0.2)

    def sreport(self, what: str, day_s: int) -> list[dict[str, str]]:
        """A report of the day in seconds, by the columns of its head."""
        start, end = (time.strftime("%Y-%m-%d", time.gmtime(moment_s)) for moment_s in (day_s, day_s + DAY_S))
        argv = ["env", "TZ=UTC", "sreport", "-P", "-t", "Seconds", "cluster", what, f"start={start}", f"end={end}"]
        head, *rows = [line.split("|") for line in self.slurm.slurm(*argv).splitlines() if "|" in line]
        return [dict(zip(head, row, strict=True)) for row in rows]


_ASSOCIATIONS = "select id_assoc, user, acct from demo_assoc_table where user != '' and user != 'root'"
_UID = {"alice": 3001, "bob": 3002, "carol": 3003, "dave": 3004, "john": 4001, "jane": 4002}


@pytest.fixture(scope="module")
def accounting() -> Iterator[tuple[Accounting, int]]:
    """Rolled up, and the first second of the day that it is about."""
    day_s = int(time.time()) // DAY_S * DAY_S - DAY_S
    with ExitStack() as stack:
        try:
            slurm = SmallSlurm(stack.enter_context(Sandbox()), nodes=1)
        except MachineLacks as error:
            pytest.skip(str(error))
        slurm.start_accounting()
        stack.callback(slurm.stop)
        made = Accounting(slurm)
        made.put(day_s)
        made.roll_up(day_s + DAY_S)
        yield made, day_s


class Ours(NamedTuple):
    """What the hub made of the same day."""

    usage: UsageFacts
    nodes: NodeTimeFacts


async def our_figures(accounting: Accounting, day_s: int, folder: Path) -> Ours:
    clock = ManualClock()
    clock.jump_wall(time.time() - clock.wall_ns() / NS_PER_S)
    history = await History.open(f"sqlite:///{folder}/hub.sqlite3", clock)
    try:
        answer = await CommandSource(SlurmConfig(), Inside(accounting.slurm)).executions_since(day_s - DAY_S)
        assert not answer.refused
        await history.learn(*answer.records)
        recorder = InventoryRecorder(history.store, "demo")
        for moment_s, state in ((day_s - HOUR_S, "IDLE"), (day_s + DOWN_FROM_S, "DOWN"), (day_s + DOWN_TO_S, "IDLE")):
            c1, c2 = (NodeRecord(name=name, cpu_count=CORES, state="IDLE", memory_bytes=8 << 30) for name in NODES)
            told = Decoded(records=(c1, msgspec.structs.replace(c2, state=state)))
            await recorder.take(tell_nodes(told, moment_s * NS_PER_S))
        await _count(history)
        queries, window, now_s = UsageQueries(history.store, "demo"), UsageWindow(day_s, day_s + DAY_S), day_s + DAY_S
        return Ours(await queries.usage(EVERYBODY, window, now_s), await queries.nodes(EVERYBODY, window, now_s))
    finally:
        await history.close()


async def _count(history: History) -> None:
    keeper = UsageKeeper(history.store, "demo", history.news, history.clock)
    nodes = NodeTimeKeeper(history.store, "demo", history.clock)
    while (await keeper.step()).jobs:
        pass
    await nodes.close_hours()
    while await nodes.step():
        pass


async def test_a_days_utilisation_is_sreports_to_the_second(accounting: tuple[Accounting, int], tmp_path: Path) -> None:
    slurm, day_s = accounting
    (theirs,) = slurm.sreport("utilization", day_s)
    sums = {name: int(seconds) for name, seconds in theirs.items() if name != "Cluster"}
    ours = await our_figures(slurm, day_s, tmp_path)

    def spent(state: UnitState) -> int:
        found = ours.nodes.totals.get((CLUSTER, state))
        return found.core_s if found else 0

    assert spent(UnitState.DOWN) == sums["Down"] == (DOWN_TO_S - DOWN_FROM_S) * CORES
    suspended = SUSPENDED_S * CORES
    assert spent(UnitState.ALLOCATED) == sums["Allocated"] + suspended, "sreport takes suspended time off for cores"
    planned = sums["Planned"]
    assert planned >= PENDING_S * CORES, "the queue's pressure, which is no state of a node here"
    assert spent(UnitState.IDLE) == sums["Idle"] + planned - suspended
    assert sum(spent(state) for state in UnitState) == sums["Reported"] == DAY_S * CORES * len(NODES)


async def test_what_accounts_and_users_used_is_sreports_to_the_second(
    accounting: tuple[Accounting, int], tmp_path: Path
) -> None:
    slurm, day_s = accounting
    rows = slurm.sreport("AccountUtilizationByUser", day_s)
    theirs = {row["Account"]: int(row["Used"]) for row in rows if not row["Login"]}
    of_users = {row["Login"]: int(row["Used"]) for row in rows if row["Login"]}
    ours = await our_figures(slurm, day_s, tmp_path)
    of_jane = SUSPENDED_S * CORES
    accounts = {row.name: row.sums.core_s for row in usage_table(ours.usage, "account").rows}
    assert accounts == {"clusers": theirs["clusers"], "guests": theirs["guests"] + of_jane}
    users = {row.name: row.sums.core_s for row in usage_table(ours.usage, "user").rows}
    assert users == of_users | {"jane": of_users["jane"] + of_jane}
    assert sum(users.values()) == theirs["root"] + of_jane
