"""Settings of the hub's triggers: which Galaxy assesses jobs, of what, how often, and when it is enough."""

from collections.abc import Iterator
from pathlib import Path

from slurmlens.config.setting import Settings, setting


class WorkflowsConfig(Settings):
    """Which jobs a Galaxy workflow assesses by itself."""

    url: str = setting(
        "http://127.0.0.1:8080", "Galaxy's address", pattern=r"https?://.+", pattern_text="http(s)://HOST[:PORT]"
    )
    key_file: Path = setting(Path("/etc/slurmlens/galaxy.key"), "holds the key of the Galaxy user that runs workflows")
    workflow: Path = setting(
        Path("/usr/share/slurmlens/galaxy/assess.gxwf.yml"), "the workflow, format 2, with one input `ticket`"
    )
    failed_jobs: bool = setting(True, "assess each run that failed")
    failed_least_s: float = setting(0.0, "leave out failed runs that were shorter", minimum=0)
    schedule_s: float | None = setting(
        None, "assess the largest run that ended in each such stretch of time (UTC)", minimum=60, example="86400"
    )
    catch_up: str = setting("last", "of stretches that passed while the hub was down", choices=("none", "last", "all"))
    findings: bool = setting(False, "assess the first job that each open finding touched")
    not_of_users: tuple[str, ...] = setting(
        ("galaxy",), "users whose runs are never assessed: Galaxy's own, or an assessment that fails is assessed again"
    )
    most_an_hour: int = setting(20, "further ones are left out, and said to be", minimum=1, maximum=10_000)
    at_once: int = setting(2, "workflows that run at a time", minimum=1, maximum=100)
    attempts: int = setting(3, "of one trigger, before it is given up", minimum=1, maximum=20)
    retry_s: float = setting(300.0, "before the second attempt; twice as long before each further one", minimum=1)
    poll_interval_s: float = setting(10.0, "between two looks at what is under way", minimum=0.05, maximum=3600)
    timeout_s: float = setting(30.0, "for one request to Galaxy", minimum=0.1, maximum=600)
    give_up_s: float = setting(86_400.0, "after which an attempt that has not ended counts as failed", minimum=10)

    def problems(self) -> Iterator[tuple[str, str]]:
        if not (self.failed_jobs or self.findings or self.schedule_s is not None):
            yield "failed_jobs", "nothing would be assessed: set it, findings or schedule_s, or leave the table out"
