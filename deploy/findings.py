"""What the demo checks of the hub's findings: the faulty node is found, its guide opens, and draining it ends both."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from deploy import json_client
from deploy.running import Ended
from deploy.slurm import SmallSlurm
from deploy.workloads.scenario import Role

SAID_WITHIN_S = 60.0
OVER_WITHIN_S = 60.0
_FAULTY = frozenset({Role.MPI_FAULTY, Role.SCRIPT_FAULTY, Role.ALONE_FAULTY})
Check = Callable[[bool, str], None]


def check_findings(hub_url: str, slurm: SmallSlurm, faulty: str, ended: Sequence[Ended], check: Check) -> str | None:
    """A finding names the node within a minute of its second failure; the guide's own command ends the incident.

    The name of the finding with the guide, where there is one.
    """
    found = _wait_for(lambda: _about(hub_url, faulty, "known-problem", "open"), SAID_WITHIN_S)
    failing = _about(hub_url, faulty, "failing-node", "open")
    check(found is not None and failing is not None, f"a finding says that {faulty} fails jobs, with a guide")
    if found is None or failing is None:
        return None
    late_s = failing["first_ns"] / 1e9 - _second_failure_s(slurm, ended)
    check(late_s <= SAID_WITHIN_S, f"it was said {late_s:.0f} s after the second failure there")
    guide = json_client.get(f"{hub_url}/api/v1/findings/{found['name']}")["guides"][0]["guide"]
    commands = [command for command in guide["commands"] if f"nodename={faulty} state=drain" in command]
    check(bool(commands), f"its guide has the command: {commands[0] if commands else guide['commands']}")
    slurm.slurm("scontrol", "update", f"nodename={faulty}", "state=drain", "reason=the guide says so")
    begun_s = time.monotonic()
    over = _wait_for(lambda: _about(hub_url, faulty, "known-problem", "over"), OVER_WITHIN_S)
    check(over is not None, f"draining {faulty} ended the incident within {time.monotonic() - begun_s:.0f} s")
    slurm.slurm("scontrol", "update", f"nodename={faulty}", "state=resume")
    return str(found["name"])


def _about(hub_url: str, node: str, kind: str, state: str) -> dict[str, Any] | None:
    rows = json_client.get(f"{hub_url}/api/v1/findings", {"state": state}).get("rows", ())
    lines = [line for row in rows for line in (row["lead"], *row.get("others", ()))]
    return next((line for line in lines if (line["kind"], line["subject"]) == (kind, node)), None)


def _second_failure_s(slurm: SmallSlurm, ended: Sequence[Ended]) -> float:
    """When the second job failed there, by accounting."""
    job_ids = {each.job_id for each in ended if each.planned.role in _FAULTY}
    ends = slurm.slurm("sacct", "-X", "-n", "-P", "-o", "End", "-j", ",".join(map(str, sorted(job_ids)))).split()
    return sorted(datetime.fromisoformat(end).timestamp() for end in ends)[1]


def _wait_for(ask: Callable[[], dict[str, Any] | None], most_s: float) -> dict[str, Any] | None:
    until_s = time.monotonic() + most_s
    while (found := ask()) is None and time.monotonic() < until_s:
        time.sleep(0.5)
    return found
