"""Makes the room of audits where there is accounting. Called by `hub.pipeline`."""

from __future__ import annotations

from slurmlens.clock import Clock
from slurmlens.config.hub import HubConfig
from slurmlens.hub.audit.keeping import AuditStore
from slurmlens.hub.audit.stage import Auditor
from slurmlens.hub.database.store import Store
from slurmlens.hub.history.read.queries import Queries
from slurmlens.slurm.source import CommandSource
from slurmlens.telemetry.internal import Reporter


def open_audit(
    config: HubConfig, store: Store, queries: Queries, clock: Clock, reporter: Reporter
) -> tuple[AuditStore, Auditor] | None:
    """Audits and who makes them; None where accounting is not asked (`[slurm] accounting`)."""
    if not config.slurm.accounting:
        return None
    kept = AuditStore(store, config.cluster)
    return kept, Auditor(kept, CommandSource(config.slurm).used_between, queries.job_facts, clock, reporter)
