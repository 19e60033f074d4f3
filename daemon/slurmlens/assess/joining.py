"""One document about one run, of the exports and the ticket. Pure."""

from __future__ import annotations

from slurmlens.assess.documents import JobEvents, JobInventory, JobMetrics, JoinedJob
from slurmlens.errors import DecodeError
from slurmlens.wire.assessment import Ticket


def join(ticket: Ticket, metrics: JobMetrics, events: JobEvents, inventory: JobInventory) -> JoinedJob:
    """All of it; DecodeError where the figures are of another run than the ticket's."""
    told = metrics.identity
    if (told.job_id, told.run) != (ticket.job_id, ticket.run):
        raise DecodeError(
            f"the figures are of run {told.run} of job {told.job_id},"
            f" the ticket of run {ticket.run} of job {ticket.job_id}",
            reason="assess",
        )
    return JoinedJob(ticket, metrics, events, inventory)
