"""Settings of what the hub keeps for how long.

Made by `load.load_hub` as part of `hub.HubConfig`; read by `hub.history.retention` and `hub.progress.retention`. Runs,
with their outcome, their figures and their nodes, are kept for ever and have no setting.
"""

from collections.abc import Iterator
from itertools import pairwise

from slurmlens.config.setting import Settings, setting

_MOST_DAYS = 36_500


class RetentionConfig(Settings):
    """Ages, in days, from when the hub last heard of a job's part on a node."""

    bodies_days: float = setting(
        14.0,
        "requests as nodes sent them: what `events.json` shows. Nothing that is concluded needs them",
        minimum=1,
        maximum=_MOST_DAYS,
    )
    profiles_days: float = setting(
        30.0,
        "a job's figures over time as finely as nodes sent them; after that 120 points of one byte each",
        minimum=1,
        maximum=_MOST_DAYS,
    )
    events_days: float = setting(
        90.0,
        "one row an event: the list of events on a job's page, and what makes a repeated one known",
        minimum=1,
        maximum=_MOST_DAYS,
    )
    coarse_profiles_days: float = setting(
        1095.0, "the coarse figures over time; totals and peaks stay", minimum=1, maximum=_MOST_DAYS
    )

    progress_days: float = setting(
        90.0, "how far tasks of jobs were by their own word, and what they told beside", minimum=1, maximum=_MOST_DAYS
    )

    findings_days: float = setting(
        730.0,
        "findings from their end, what people said of them (words weigh for 180 days), investigations from their last"
        " change, audits from when they were made",
        minimum=180,
        maximum=_MOST_DAYS,
    )

    inventory_days: float | None = setting(
        None,
        "what the cluster was (facts and relations) from when it ended; without it for ever, so that any past moment"
        " can be asked of",
        minimum=90,
        maximum=_MOST_DAYS,
        example="3650",
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        steps = ("profiles_days", "events_days", "coarse_profiles_days")
        for earlier, later in pairwise(steps):
            if getattr(self, later) < getattr(self, earlier):
                yield later, f"at least as long as {earlier}: detail goes step by step"
