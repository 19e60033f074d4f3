"""All that ages in a hub: the kinds of every room, by its settings. Used by `pipeline` alone."""

from __future__ import annotations

from slurmlens.config.hub import HubConfig
from slurmlens.hub.access.looks import kinds_of_looks
from slurmlens.hub.audit.keeping import kind_of_audits
from slurmlens.hub.controller_hooks.keeping import kind_of_controller_events
from slurmlens.hub.database.retention import AgingKind
from slurmlens.hub.findings.retention import kinds_of_findings
from slurmlens.hub.history.retention import kinds_of_history
from slurmlens.hub.inventory.retention import kinds_of_inventory
from slurmlens.hub.investigations.keeping import kind_of_investigations
from slurmlens.hub.mail.retention import kind_of_mails
from slurmlens.hub.node_states.retention import kinds_of_node_states
from slurmlens.hub.notices.job_wishes import kind_of_job_wishes
from slurmlens.hub.notices.keeping import kind_of_notices
from slurmlens.hub.progress.retention import kinds_of_progress


def kinds_that_age(config: HubConfig) -> list[AgingKind]:
    """In the order in which a turn of retention takes its steps."""
    looks = [] if config.access is None else kinds_of_looks(config.access.looks_kept_days)
    days = config.retention.progress_days
    notices = [kind_of_notices(days), kind_of_job_wishes(days), kind_of_controller_events(days)]
    told = [*kinds_of_progress(days), *kinds_of_node_states(days), *notices, kind_of_mails()]
    ended = kinds_of_inventory(config.retention.inventory_days)
    return [
        *kinds_of_history(config.retention),
        *told,
        *looks,
        *ended,
        *kinds_of_findings(config.retention.findings_days),
        kind_of_investigations(config.retention.findings_days),
        kind_of_audits(config.retention.findings_days),
    ]
