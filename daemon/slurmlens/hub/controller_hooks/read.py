"""Answers what pages ask of slurmctld's hooks. Owns the SELECT; holds what the viewer may see of the job."""

from __future__ import annotations

from sqlalchemy import Connection, and_, exists, select

from slurmlens.hub.access.predicates import visible_runs
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.controller_hooks.facts import ControllerWord
from slurmlens.hub.controller_hooks.tables import controller_events
from slurmlens.hub.database.store import Store
from slurmlens.hub.history.tables import runs
from slurmlens.wire.controller_hook import ControllerRole

FOREVER_NS = 2**63 - 1


class ControllerQueries:
    """The read side of one cluster."""

    def __init__(self, store: Store, cluster: str) -> None:
        self._store = store
        self._cluster = cluster

    async def of_run(
        self, viewer: Viewer, job_id: int, run: int, since_ns: int, until_ns: int | None
    ) -> tuple[ControllerWord, ...]:
        """What the hooks said of a job within a time, that of this run, in its order."""
        table = controller_events
        may_see = exists().where(
            runs.c.cluster == self._cluster, runs.c.job_id == job_id, runs.c.number == run, visible_runs(viewer)
        )
        of_job = and_(table.c.cluster == self._cluster, table.c.job_id == job_id)
        within = table.c.time_ns.between(since_ns, FOREVER_NS if until_ns is None else until_ns)
        query = select(table).where(of_job, within, may_see)

        def work(connection: Connection) -> list[ControllerWord]:
            return [
                ControllerWord(
                    time_ns=row["time_ns"],
                    role=ControllerRole(row["role"]),
                    **{name: row[name] for name in ("exit_code", "exit_signal", "comment", "dependency")},
                )
                for row in connection.execute(query).mappings()
            ]

        return tuple(sorted(await self._store.read(work), key=lambda word: word.time_ns))
