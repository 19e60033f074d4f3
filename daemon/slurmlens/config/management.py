"""Settings of what management looks at: the goals of service levels, and from where on a habit is worth a word.

Made by `load.load_hub` as part of `hub.HubConfig`; read by the pages and reports of usage. docs/reports.md has the
definitions.
"""

from collections.abc import Iterator, Mapping
from datetime import tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from slurmlens.config.setting import Settings, setting


class ManagementConfig(Settings):
    """Goals, rules, and the zone in which days begin."""

    time_zone: str = setting("UTC", "in which days, weeks and months of reports begin", example='"Europe/Berlin"')
    availability_goal: float = setting(
        0.98, "share of node time in service that must not be down or drained", minimum=0, maximum=1
    )
    wait_p95_goal_s: float = setting(
        14_400.0, "nineteen of twenty runs must have waited no longer, by partition and size", minimum=0
    )
    wait_p95_goals: tuple[str, ...] = setting(
        (), "other goals for single partitions, PARTITION=SECONDS", example='["long=86400"]'
    )
    reaction_goal_s: float = setting(
        3_600.0, "within so long somebody must have done something about a node that failed", minimum=0
    )
    full_share: float = setting(
        0.9,
        "capacity: a cluster is full when so large a share of its cores in service is allocated",
        minimum=0,
        maximum=1,
    )
    generation_features: tuple[str, ...] = setting(
        (),
        "features that name a generation of nodes, for comparing kinds of jobs on them; without it nodes whose features"
        " are all equal are one",
        example='["rome", "milan", "genoa"]',
    )
    machine_users: tuple[str, ...] = setting(
        ("root", "slurm"), "users by whose name programs set a node's reason: that is no reaction of a person"
    )
    least_core_hours: float = setting(100.0, "habits of users are judged from so many core-hours on", minimum=0)
    least_runs: int = setting(20, "and rates of failed and short runs from so many runs on", minimum=1)
    low_cpu_share: float = setting(0.6, "less CPU time used of what was held is low", minimum=0, maximum=1)
    low_memory_share: float = setting(
        0.35, "less memory used at the peak of what was held is low", minimum=0, maximum=1
    )
    low_time_share: float = setting(0.2, "less time used of the time limit is low", minimum=0, maximum=1)
    short_share: float = setting(0.3, "a larger share of runs under a minute is much", minimum=0, maximum=1)
    burst_runs: int = setting(100, "so many runs submitted in ten minutes are a storm", minimum=2)

    mail_reports: tuple[str, ...] = setting(
        (),
        "reports that [notices.mail] sends when their period is over: PERIOD WHOSE ADDRESS, WHOSE: all, or KIND:NAME",
        example='["month all boss@example.org", "week account:physics pi@example.org"]',
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        for goal in self.wait_p95_goals:
            name, _, seconds = goal.partition("=")
            if not name or not seconds.isdecimal():
                yield "wait_p95_goals", f"{goal!r} is no goal: write PARTITION=SECONDS"
        for report in self.mail_reports:
            parts = report.split()
            if len(parts) != 3 or parts[0] not in ("day", "week", "month", "year") or "@" not in parts[2]:
                yield "mail_reports", f"{report!r} is none: write PERIOD WHOSE ADDRESS, as month all boss@example.org"
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError):
            yield "time_zone", f"{self.time_zone!r} is no zone of this machine: write one as Europe/Berlin"

    @property
    def zone(self) -> tzinfo:
        """The zone in which days begin."""
        return ZoneInfo(self.time_zone)

    @property
    def wait_goals(self) -> Mapping[str, float]:
        """The goals of single partitions."""
        return {name: float(seconds) for name, _, seconds in (goal.partition("=") for goal in self.wait_p95_goals)}
