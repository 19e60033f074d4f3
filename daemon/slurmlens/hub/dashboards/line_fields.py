"""How indices call what is asked of log lines: the hub's own (ECS), and documents of 2015 behind Logstash."""

from __future__ import annotations

from typing import NamedTuple

TIME = "@timestamp"


class FieldNames(NamedTuple):
    """All but the message hold whole words or numbers."""

    node: str
    program: str
    severity: str
    job: str
    user: str
    kind: str
    message: str = "message"


ECS = FieldNames("host.name", "process.name", "log.level", "slurm.job_id", "slurm.user", "slurm.line_kind")
OF_2015 = FieldNames(
    "logsource.keyword", "program.keyword", "severity_label.keyword", "slurm_jobid.keyword", "slurm_user.keyword",
    "tags.keyword",
)  # fmt: skip
