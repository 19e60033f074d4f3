"""What the demo checks: ends as planned, the hub against the scheduler, our counters against the programs' own."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import Any

from deploy import json_client
from deploy.json_client import NotFound
from deploy.running import Ended
from deploy.series_checks import check_series
from deploy.stack import Stack
from deploy.workloads.scenario import Role, expected_end

Check = Callable[[bool, str], None]
HUB_MAX_S = 60.0
POLL_S = 0.5
# What the programs say of themselves by getrusage: burn of all its job, gemm of its step over all ranks.
SAID_CPU = re.compile(r"([0-9.]+) CPU s")
CPU_TOLERANCE = 0.10
# The kinds of lines of slurmctld's that say how a job ended.
ENDS_IN_LOGS = {"job_exited", "job_signalled", "job_out_of_memory", "job_done", "job_time_limit", "job_cancel_asked"}
# Starting a program costs some hundredths of a second that it does not count as its own.
SAID_MIN_S = 0.25


def check_all(stack: Stack, ended: Sequence[Ended], check: Check) -> None:
    """Every check, in the order of the data."""
    check_ends(stack.slurm.node_names[-1], ended, check)
    views = wait_for_views(stack.hub.url, ended)
    for each in ended:
        check_view(each, views.get(each.job_id), check, counted=stack.slurm.cgroup.has_cgroups)
    if any(forwarder.process for forwarder in stack.forwarders):
        check_lines(stack, ended, check)
    if stack.slurm.cgroup.has_cgroups:
        for each in ended:
            check_cpu(stack, each, views.get(each.job_id), check)
        check_series(stack, next(each for each in ended if each.planned.role is Role.MPI), check)


def check_lines(stack: Stack, ended: Sequence[Ended], check: Check) -> None:
    """What slurmctld logged of each job's end has found its job."""
    deadline = time.monotonic() + HUB_MAX_S
    missing = {each.job_id for each in ended}
    while missing and time.monotonic() < deadline:
        missing -= {job_id for job_id in missing if _line_kinds(stack.hub.url, job_id) & ENDS_IN_LOGS}
        time.sleep(POLL_S)
    check(not missing, f"the log lines of {len(ended) - len(missing)} of {len(ended)} jobs say how they ended")


def _line_kinds(hub_url: str, job_id: int) -> set[str]:
    return {row.get("kind", "") for row in json_client.get(f"{hub_url}/logs.json?job={job_id}")["rows"]}


def check_ends(faulty: str, ended: Sequence[Ended], check: Check) -> None:
    """Each job ended as planned; a random one by the nodes it was given."""
    for each in ended:
        expected = expected_end(each.planned, each.nodes, faulty)
        got = (each.accounted.state, each.accounted.exit_code)
        text = f"job {each.job_id} ({each.planned.role.value}) is {' '.join(got)}"
        check(got == expected, text if got == expected else f"{text}, expected {' '.join(expected)}")


def wait_for_views(hub_url: str, ended: Sequence[Ended]) -> dict[int, dict[str, Any]]:
    """The hub's view of every job as soon as all have ended there, or as they are when time is up."""
    deadline = time.monotonic() + HUB_MAX_S
    views: dict[int, dict[str, Any]] = {}
    while time.monotonic() < deadline:
        for each in ended:
            if not _settled(views.get(each.job_id)):
                views[each.job_id] = _view(hub_url, each.job_id)
        if all(_settled(view) for view in views.values()):
            break
        time.sleep(POLL_S)
    return views


def check_view(each: Ended, view: dict[str, Any] | None, check: Check, *, counted: bool) -> None:
    """The hub tells the scheduler's outcome, and has figures from each of the job's nodes."""
    if not view:
        check(False, f"job {each.job_id}: the hub knows nothing of it")
        return
    said, identity = each.accounted, view["identity"]
    wrong = [
        f"{name} is {got!r}, the scheduler says {wanted!r}"
        for name, got, wanted in (
            ("state", view["state"], said.state),
            ("user", identity["user"], said.user),
            ("account", identity["account"], said.account),
            ("partition", identity["partition"], said.partition),
            ("nodes", sorted(node["name"] for node in view["nodes"]), sorted(each.nodes)),
        )
        if got != wanted
    ]
    if said.state == "FAILED" and said.exit_code not in view["state_text"]:
        wrong.append(f"{view['state_text']!r} lacks the exit code {said.exit_code}")
    if counted:
        wrong += [f"no CPU seconds from {node['name']}" for node in view["nodes"] if node["cpu"]["used"] is None]
    check(not wrong, f"job {each.job_id}: the hub says {'; '.join(wrong) or view['state_text']}")


def check_cpu(stack: Stack, each: Ended, view: dict[str, Any] | None, check: Check) -> None:
    """CPU seconds from our counters against what the program measured of itself."""
    output = stack.sandbox.folder / "home" / each.accounted.user / each.accounted.output_name
    said = SAID_CPU.search(output.read_text(errors="replace") if output.exists() else "")
    own = float(said[1]) if said else 0.0
    if own < SAID_MIN_S or not view:
        return
    measured = _step_cpu_s(view, "0") if each.planned.submission.script == "gemm.sh" else view["cpu"]["used"]
    good = measured is not None and abs(measured - own) <= CPU_TOLERANCE * own
    source = view["cpu"]["source"]
    text = f"{measured:.3f}" if measured is not None else "no"
    check(good, f"job {each.job_id}: {text} CPU s by our counters ({source}), {own:.3f} by the program itself")


def _step_cpu_s(view: dict[str, Any], step: str) -> float | None:
    return next((one["cpu_s"] for one in view["steps"] if one["step"] == step), None)


def _view(hub_url: str, job_id: int) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json_client.get(f"{hub_url}/jobs/{job_id}.json")
    except NotFound:
        return {}
    return found


def _settled(view: dict[str, Any] | None) -> bool:
    """Ended, known to the scheduler, and every node has told its figures."""
    if not view or view["phase"] != "ended" or not view["identity"]["user"] or view["is_live"]:
        return False
    return all(node["cpu"]["used"] is not None or node["cpu"]["note"] for node in view["nodes"])
