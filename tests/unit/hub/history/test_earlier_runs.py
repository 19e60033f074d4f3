"""Which runs are earlier runs of the same job."""

from __future__ import annotations

from slurmlens.hub.access.viewer import EVERYBODY, Role, Viewer
from slurmlens.hub.history.read.earlier_runs import EarlierRuns
from slurmlens.slurm.records import JobState
from testkit.hub_history import History, record
from testkit.job_parts import S


async def test_history_knows_the_same_users_runs_of_the_same_name_that_were_over_before(history: History) -> None:
    def done(job_id: int, name: str, end: int = 60, **more: object) -> None:
        told.append(record(JobState.COMPLETED, job_id=job_id, name=name, start=0, end=end, **more))

    told: list[object] = []
    done(1, "relax-1")
    done(2, "relax-2", 90)
    done(3, "other-1")
    done(5, "relax-5", 5000)
    told.append(record(JobState.RUNNING, job_id=4, name="relax-4", start=100))
    await history.learn(*told)  # type: ignore[arg-type]
    facts = await history.queries.job_facts(EVERYBODY, 4)
    assert facts is not None
    asked = EarlierRuns(history.store, "demo")
    found = await asked.of_job(EVERYBODY, facts)
    assert sorted((one.job_id, one.ran_ns // S) for one in found) == [(1, 60), (2, 90)]
    assert await asked.of_job(Viewer("bob", frozenset({Role.USER})), facts) == ()
