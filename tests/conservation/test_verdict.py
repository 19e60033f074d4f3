"""The judge itself: it is silent where all is well, and each rule speaks of its own breach alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from conservation.ledger import Ledger
from conservation.verdict import Rule, Store, judge
from slurmlens.events import JobEnd, JobIdentity, JobStart, Witness
from slurmlens.wire import ecs

BOOT = "11111111-2222-3333-4444-555555555555"
NAME = "Größe"


def document(number: int) -> dict[str, Any]:
    """Two events a job."""
    env = {
        "SLURM_JOB_ID": str(7 + number // 2),
        "SLURM_JOB_USER": "alice",
        "SLURM_JOB_NAME": NAME.encode().decode("latin-1"),
    }
    role = ("prolog", "epilog")[number % 2]
    if role == "epilog":
        env["SLURM_JOB_EXIT_CODE2"] = "3:0"
    return {
        "v": 1,
        "id": f"{number:032x}",
        "role": role,
        "time_ns": 1_790_000_000_000_000_000 + number,
        "boot_id": BOOT,
        "boottime_ns": 1000 + number,
        "env": env,
    }


def line(number: int, *, job_name: str = NAME, id_number: int | None = None) -> bytes:
    """What the daemon makes of it, by the product's own encoder."""
    made = document(number)
    job = JobIdentity(job_id=7 + number // 2, user_name="alice", job_name=job_name)
    kind: Callable[..., Any] = JobStart
    if made["role"] == "epilog":
        kind, job = JobEnd, JobIdentity(**{**_fields(job), "exit_code": 3, "exit_signal": 0})
    return ecs.encode(
        kind(
            id=f"{number if id_number is None else id_number:032x}",
            **{name: made[name] for name in ("time_ns", "boot_id", "boottime_ns")},
            cluster="demo",
            node="n0",
            sighting="s",
            job=job,
            witness=Witness.HOOK,
        )
    )


def _fields(job: JobIdentity) -> dict[str, Any]:
    return {name: getattr(job, name) for name in job.__struct_fields__}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    path = tmp_path / "log"
    path.write_text("".join(json.dumps(document(number)) + "\n" for number in range(6)) + '{"v":1,"id":')
    ledger = Ledger(path)
    assert ledger.read_on() == 6, "a line that is being written does not count yet"
    return ledger


def rules(ledger: Ledger, lines: Iterable[bytes], **allowed: int) -> set[Rule]:
    balance = judge("it", ledger.events, Store().take(lines), **allowed)
    return {finding.rule for finding in balance.findings}


ALL = [line(number) for number in range(6)]


def test_all_of_it_in_order_is_no_breach(ledger: Ledger) -> None:
    balance = judge("it", ledger.events, Store().take(ALL))
    assert (balance.findings, balance.accepted, balance.delivered, balance.twice) == ((), 6, 6, 0)


def test_what_comes_again_is_counted_and_no_breach(ledger: Ledger) -> None:
    balance = judge("it", ledger.events, Store().take([*ALL[:3], *ALL[1:], ALL[0]]))
    assert (balance.findings, balance.delivered, balance.twice) == ((), 6, 3)


def test_jobs_may_overtake_each_other(ledger: Ledger) -> None:
    assert rules(ledger, [ALL[2], ALL[0], ALL[4], ALL[1], ALL[3], ALL[5]]) == set()


BREACHES = {
    Rule.LOST: [*ALL[:3], *ALL[4:]],
    Rule.UNKNOWN: [*ALL, line(0, id_number=99)],
    Rule.ALTERED: [*ALL[:5], line(5, job_name="GrÃ¶ße")],
    Rule.REORDERED: [ALL[1], ALL[0], *ALL[2:]],
    Rule.GARBLED: [*ALL, b'{"slurm":{"id'],
}


@pytest.mark.parametrize("rule", BREACHES, ids=lambda rule: rule.value)
def test_each_breach_is_found_by_its_rule_alone(ledger: Ledger, rule: Rule) -> None:
    assert rules(ledger, BREACHES[rule]) == {rule}


def test_more_that_comes_again_than_was_on_its_way_is_found(ledger: Ledger) -> None:
    again = [*ALL, *ALL[:4]]
    assert rules(ledger, again, again_allowed=4) == set()
    assert rules(ledger, again, again_allowed=3) == {Rule.REPEATED}


def test_a_line_torn_by_a_kill_may_be_allowed(ledger: Ledger) -> None:
    assert rules(ledger, BREACHES[Rule.GARBLED], torn_allowed=1) == set()


def test_an_event_of_the_daemons_own_about_a_job_that_nobody_had_is_unknown(ledger: Ledger) -> None:
    own = json.loads(ALL[0])
    own["slurm"] |= {"id": "derived", "witness": "cgroup"}
    own["slurm"]["job"]["job_id"] = 4711
    lines = [*ALL, json.dumps(own).encode()]
    assert rules(ledger, lines) == {Rule.UNKNOWN}
    assert judge("it", ledger.events, Store().take(lines), own_jobs=[4711]).findings == ()
