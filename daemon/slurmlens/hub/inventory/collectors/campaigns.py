"""A campaign as facts: whose it is, how far, and which jobs were its runs. Pure.

A telling is whole about its campaign. Fed by `keeper` with what a campaign's controller told the hub.
"""

from __future__ import annotations

from slurmlens.hub.inventory.entities import (
    OF_USER,
    RAN,
    Entity,
    EntityKind,
    Telling,
    ToldRelation,
    told_facts,
)
from slurmlens.wire.campaign_view import CampaignView

SOURCE = "campaigns"
JOB = "job"


def campaign_entity(user: str, name: str) -> Entity:
    """The campaign; names are a user's own."""
    return Entity.of(EntityKind.CAMPAIGN, f"{user}/{name}")


def tell_campaign(user: str, view: CampaignView, at_ns: int) -> Telling:
    """Everything that is known of one campaign."""
    entity = campaign_entity(user, view.name)
    attributes = {"state": view.state, "goal": ", ".join(view.objectives), "optimiser": view.optimiser}
    jobs = (attempt.job_id for point in view.points for attempt in point.attempts if attempt.job_id is not None)
    runs = tuple(
        ToldRelation(entity=entity, relation=RAN, other=Entity(JOB, str(job_id))) for job_id in dict.fromkeys(jobs)
    )
    return Telling(
        source=SOURCE,
        at_ns=at_ns,
        facts=tuple(told_facts(entity, attributes)),
        relations=(ToldRelation(entity=entity, relation=OF_USER, other=Entity.of(EntityKind.USER, user)), *runs),
        subject=entity,
    )
