"""Which command is asked for which release, and what becomes of its answer; commands are recordings."""

from __future__ import annotations

import pytest

from slurmlens.config.hub import SlurmConfig
from slurmlens.errors import SourceError
from slurmlens.slurm.records import JobState
from slurmlens.slurm.source import MAX_JOBS_A_REQUEST, CommandSource
from testkit.slurm_answers import RecordedCommands


def old(**answers: str | bytes) -> tuple[CommandSource, RecordedCommands]:
    run = RecordedCommands("slurm-wlm 22.05.8", answers)
    return CommandSource(SlurmConfig(), run), run


def new(**answers: str | bytes) -> tuple[CommandSource, RecordedCommands]:
    run = RecordedCommands("slurm 26.05.5", answers)
    return CommandSource(SlurmConfig(), run), run


async def test_the_queue_is_json_from_22_05_on() -> None:
    for source, run in (old(squeue="22.05/squeue.json"), new(squeue="26.05/squeue.json")):
        assert (await source.queue()).records
        assert run.asked == [["squeue", "--all", "--states=all", "--json"]]


async def test_22_05_is_asked_for_accounting_in_text_with_epoch_times() -> None:
    source, run = old(sacct="22.05/sacct.txt")
    records = (await source.executions([2, 5])).records
    assert {record.state for record in records} >= {JobState.FAILED, JobState.OUT_OF_MEMORY}
    assert run.asked[0][-2:] == ["-j", "2,5"]
    assert "-D" in run.asked[0]
    assert next(one for one in run.asked[0] if one.startswith("--delimiter=")) != "--delimiter=\x1f"
    assert run.environments[0]["SLURM_TIME_FORMAT"] == "%s"


async def test_26_05_is_asked_for_accounting_in_json() -> None:
    source, run = new(sacct="26.05/sacct_-j_N.json")
    assert len((await source.executions({24, 25})).records) == 3
    assert run.asked == [["sacct", "-D", "-a", "--json", "-j", "24,25"]]


async def test_many_jobs_become_several_questions() -> None:
    source, run = new(sacct=b'{"jobs": []}')
    await source.executions(range(1, MAX_JOBS_A_REQUEST + 2))
    assert [len(asked[-1].split(",")) for asked in run.asked] == [MAX_JOBS_A_REQUEST, 1]


async def test_no_job_asks_nothing() -> None:
    source, run = new(sacct=b"")
    assert (await source.executions([])).records == ()
    assert run.asked == []


async def test_catching_up_names_the_time_in_utc() -> None:
    source, run = new(sacct=b'{"jobs": []}')
    await source.executions_since(1_795_420_800)
    assert run.asked[0][-2:] == ["-S", "2026-11-23T08:00:00"]
    assert run.environments[0]["TZ"] == "UTC"


async def test_without_accounting_sacct_is_never_run() -> None:
    run = RecordedCommands("slurm 26.05.5", {})
    source = CommandSource(SlurmConfig(accounting=False), run)
    assert (await source.executions([1])).records == ()
    assert (await source.executions_since(0)).records == ()
    assert run.asked == []


async def test_nodes_and_partitions_come_as_text_or_as_json() -> None:
    source, _ = old(scontrol="22.05/scontrol_show_node.txt")
    assert [node.name for node in (await source.nodes()).records][:1] == ["d-compute0"]
    source, _ = old(scontrol="22.05/scontrol_show_partition.txt")
    assert [one.name for one in (await source.partitions()).records] == ["all", "odd", "even"]
    source, run = new(scontrol="26.05/scontrol_show_nodes.json")
    assert [node.address for node in (await source.nodes()).records] == ["127.0.0.1"] * 2
    assert run.asked == [["scontrol", "-a", "show", "nodes", "--json"]]


async def test_nonsense_is_a_source_error_that_names_the_command() -> None:
    source, _ = new(squeue=b"slurm_load_jobs error: Unable to contact slurm controller")
    with pytest.raises(SourceError, match=r"^squeue: the scheduler's answer is no JSON"):
        await source.queue()


async def test_a_version_that_is_none_is_a_source_error() -> None:
    source = CommandSource(SlurmConfig(), RecordedCommands("PBS 7", {}))
    with pytest.raises(SourceError, match="which is no release"):
        await source.release()
