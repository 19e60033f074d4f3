"""What becomes of lines on their way: whose they are, how many, and that every one is delivered or counted."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmlens.config.log_inputs import LogInputsConfig
from slurmlens.log_lines import JobSource, LogLine
from slurmlens.node.log_inputs.attribution import Attribution, LocalJob
from slurmlens.node.log_inputs.positions import LogPositions
from slurmlens.runtime.whole_file import write_whole
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.log_node import Jobs, log_node
from testkit.manual_clock import ManualClock
from testkit.waiting import PATIENCE_S, until

JOB_CGROUP = "/system.slice/slurmstepd.scope/job_5/step_0/user/task_0"


def line(number: int = 0, message: str | None = None, **others: object) -> LogLine:
    told: Mapping[str, object] = {"program": "app", **others}
    return LogLine(id=str(number), time_ns=number, node="n1", message=message or f"line {number}", **told)  # type: ignore[arg-type]


async def sent(folder: Path, config: LogInputsConfig, lines: Sequence[LogLine]) -> tuple[list[LogLine], dict[str, int]]:
    """What a hub gets of these, and what the spool counts as dropped."""
    async with log_node(folder, config) as node:
        await node.inputs._road.take(lines)
        await node.inputs.flush()
    assert node.told + sum(node.dropped.values()) == len(lines)
    return node.lines, node.dropped


async def test_equal_lines_that_follow_each_other_are_one_with_their_count(tmp_path: Path) -> None:
    lines = [line(n, "same", pid=1) for n in range(5)] + [line(9, "other", pid=1), line(10, "same", pid=1)]
    found, dropped = await sent(tmp_path, LogInputsConfig(unit_lines_per_s=1), lines)
    assert [(one.message, one.repeats) for one in found] == [("same", 4), ("other", 0), ("same", 0)]
    assert dropped == {}


async def test_a_unit_that_logs_too_much_loses_lines_that_are_counted_and_others_do_not_notice(tmp_path: Path) -> None:
    config = LogInputsConfig(unit_lines_per_s=10, job_lines_per_s=5, lines_per_s=1_000_000)
    lines = [one for n in range(200) for one in (line(n, cgroup=JOB_CGROUP), line(n + 1000, unit="loud.service"))]
    found, dropped = await sent(tmp_path, config, [*lines, line(9999, "calm", unit="calm.service")])
    assert dropped == {"unit_rate": 100, "job_rate": 150}
    assert found[-1].message == "calm"
    assert {one.job_source for one in found if one.job_id == 5} == {JobSource.CGROUP}


async def test_bytes_are_bounded_as_lines_are(tmp_path: Path) -> None:
    config = LogInputsConfig(unit_bytes_per_s=1024)
    found, dropped = await sent(tmp_path, config, [line(n, f"{n}" + "x" * 2000) for n in range(20)])
    assert len(found) == 5
    assert dropped == {"unit_rate": 15}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["", "x" * 300]), st.booleans()), max_size=60))
def test_every_line_is_delivered_folded_or_counted_as_dropped(
    tmp_path_factory: pytest.TempPathFactory, told: list[tuple[str, str, bool]]
) -> None:
    import asyncio

    lines = [
        line(number, text + more, cgroup=JOB_CGROUP if is_job else None)
        for number, (text, more, is_job) in enumerate(told)
    ]
    config = LogInputsConfig(unit_lines_per_s=1, job_lines_per_s=1, job_bytes_per_s=1024, lines_per_s=1_000_000)
    asyncio.run(sent(tmp_path_factory.mktemp("road"), config, lines))


# --- whose it is


def attributed(one: LogLine, jobs: Jobs) -> LogLine:
    return Attribution(jobs.here()).attributed(one)


def test_a_cgroup_names_the_job_also_of_one_that_has_gone_and_by_the_name_of_its_sluid() -> None:
    by_sluid = "/system.slice/slurmstepd.scope/s0123456789AB/step_batch/user/task_0"
    jobs = Jobs(by_cgroup={f"0::{by_sluid}\n": (12, "batch")})
    for cgroup, expected in ((JOB_CGROUP, (5, "0")), (by_sluid, (12, "batch"))):
        found = attributed(line(cgroup=cgroup), jobs)
        assert (found.job_id, found.step, found.job_source) == (*expected, JobSource.CGROUP)


def test_a_folder_that_a_user_made_under_the_name_of_a_job_is_no_job() -> None:
    below = "/user.slice/user-1000.slice/user@1000.service/app.slice/slurmstepd.scope/job_7/step_0"
    assert attributed(line(cgroup=below), Jobs()).job_id is None
    for cgroup in ("/slurm_n1/uid_1000/job_7/step_0", "/system.slice/n1_slurmstepd.scope/job_7/step_0"):
        assert attributed(line(cgroup=cgroup), Jobs()).job_id == 7


@pytest.mark.parametrize("user_id", [None, 0, 1000])
def test_a_tag_is_believed_of_a_job_that_runs_here_and_of_its_user(user_id: int | None) -> None:
    jobs = Jobs(running={7: LocalJob(7, 1000)})
    found = attributed(line(program="slurm_7", user_id=user_id), jobs)
    assert (found.job_id, found.job_source) == (7, JobSource.TAG)
    assert attributed(line(program="slurm_8"), jobs).job_id is None


def test_a_tag_of_another_users_job_is_marked_and_not_believed() -> None:
    found = attributed(line(program="slurm_7", user_id=1001), Jobs(running={7: LocalJob(7, 1000)}))
    assert found.job_id is None
    assert found.contradiction == "user 1001 wrote under the tag of job 7, which is another user's"


def test_a_sluid_in_slurmds_words_is_the_job_that_runs_here() -> None:
    jobs = Jobs(sluids={"s0123456789AB": LocalJob(12, 1000)})
    found = attributed(line(message="Launching batch SLUID=s0123456789AB for UID 1000", program="slurmd"), jobs)
    assert (found.job_id, found.job_source) == (12, JobSource.TEXT)


# --- how far it has come


def test_a_position_counts_when_all_before_it_are_safe(tmp_path: Path) -> None:
    path = tmp_path / "positions.json"
    positions = LogPositions([path], Reporter(Counters(), ManualClock()))
    first, second = positions.waits_for({"a": {"offset": 1}}), positions.waits_for({"a": {"offset": 2}})
    second()
    assert positions.get("a") is None
    first()
    positions.save()
    again = LogPositions([path], Reporter(Counters(), ManualClock()))
    assert again.get("a") == {"offset": 2}


async def test_a_disk_that_hangs_holds_up_no_loop_and_what_it_writes_late_makes_nothing_older(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, hangs, hung = tmp_path / "positions.json", threading.Event(), threading.Event()

    def write(place: Path, content: bytes) -> None:
        if threading.current_thread() is not threading.main_thread():
            hung.set()
            assert hangs.wait(PATIENCE_S)
        write_whole(place, content)

    monkeypatch.setattr("slurmlens.node.log_inputs.positions.write_whole", write)
    positions = LogPositions([path], Reporter(Counters(), ManualClock()))
    saving = asyncio.create_task(positions.begin({"a": {"offset": 1}}))
    await until(hung.is_set, "the disk is written to in a thread, and hangs")
    positions.waits_for({"a": {"offset": 2}})()
    assert positions.get("a") == {"offset": 2}
    saving.cancel()
    hangs.set()
    positions.save()
    assert json.loads(path.read_bytes()) == {"a": {"offset": 2}}


def test_positions_that_cannot_be_read_are_reported_and_begin_anew(tmp_path: Path) -> None:
    (tmp_path / "positions.json").write_text("{nonsense")
    counters = Counters()
    assert LogPositions([tmp_path / "positions.json"], Reporter(counters, ManualClock())).get("a") is None
    assert any("log_positions_unreadable" in name for name in counters.snapshot())


def test_while_the_spools_disk_takes_nothing_positions_lie_in_the_runtime_folder(tmp_path: Path) -> None:
    """As the totals of drops do: a line that is counted as dropped there must not be read again by the next daemon."""
    places = [tmp_path / "spool" / "positions.json", tmp_path / "run" / "positions.json"]
    for place in places:
        place.parent.mkdir()

    def positions() -> LogPositions:
        return LogPositions(places, Reporter(Counters(), ManualClock()))

    def comes_to(one: LogPositions, offset: int) -> None:
        one.waits_for({"a": {"offset": offset}})()
        one.save()

    first = positions()
    comes_to(first, 1)
    beside = places[0].with_name(f".{places[0].name}.tmp")
    beside.symlink_to("/dev/full")  # O_NOFOLLOW: nothing can be written beside it
    comes_to(first, 2)
    assert positions().get("a") == {"offset": 2}
    beside.unlink()
    comes_to(first, 3)
    assert not places[1].exists()
    assert positions().get("a") == {"offset": 3}
