"""The scheduler source against a real Slurm: real outcomes come back as what they were."""

from __future__ import annotations

import time

import pytest
from deploy.slurm import SmallSlurm

from slurmlens.config.hub import SlurmConfig
from slurmlens.hub.audit.comparing import compare
from slurmlens.hub.audit.facts import MeasuredUse
from slurmlens.slurm import queue_text
from slurmlens.slurm.associations import AccountPerson
from slurmlens.slurm.pieces import Pieces
from slurmlens.slurm.records import JobRecord, JobState
from slurmlens.slurm.source import CommandSource
from testkit.slurm_inside import Inside

pytestmark = pytest.mark.slurm


@pytest.fixture
def source(small_slurm: SmallSlurm) -> CommandSource:
    return CommandSource(SlurmConfig(), Inside(small_slurm))


async def executions(source: CommandSource, *job_ids: int) -> dict[int, JobRecord]:
    """The latest execution of each job."""
    answer = await source.executions(job_ids)
    assert answer.refused == 0
    return {record.job_id: record for record in answer.records}


async def test_outcomes_of_real_jobs_are_told_apart(small_slurm: SmallSlurm, source: CommandSource) -> None:
    submit = small_slurm.submit
    good, failed = submit("exit 0", "--mem=50"), submit("exit 42", "-J", "a|b c=d", "--mem=50")
    killed = submit("kill -KILL $$", "--mem=50")
    hungry = submit("python3 -c 'bytearray(300 << 20)'", "--mem=50")
    cancelled = submit("sleep 100", "--mem=50")
    small_slurm.wait_state(cancelled, "RUNNING")
    small_slurm.slurm("scancel", str(cancelled), user="alice")
    for job_id in (good, failed, killed, hungry, cancelled):
        small_slurm.wait(job_id)
    jobs = await executions(source, good, failed, killed, hungry, cancelled)
    assert (jobs[good].state, jobs[good].exit_code, jobs[good].exit_signal) == (JobState.COMPLETED, 0, 0)
    assert (jobs[failed].state, jobs[failed].exit_code, jobs[failed].name) == (JobState.FAILED, 42, "a|b c=d")
    assert (jobs[killed].state, jobs[killed].exit_signal) == (JobState.FAILED, 9)
    assert jobs[hungry].state in (
        JobState.OUT_OF_MEMORY,
        JobState.FAILED,
    )  # without cgroups nobody is killed for memory
    assert (jobs[cancelled].state, jobs[cancelled].cancelled_by) == (JobState.CANCELLED, str(jobs[cancelled].user_id))
    for record in jobs.values():
        assert record.user == "alice"
        assert record.start_s is not None
        assert record.end_s is not None
        assert record.start_s <= record.end_s
        assert set(record.nodes) <= set(small_slurm.node_names)
        assert "batch" in {step.step for step in record.steps}


async def test_the_queue_and_accounting_name_the_same_executions(
    small_slurm: SmallSlurm, source: CommandSource
) -> None:
    array = small_slurm.submit("sleep 1", "--array=1-2", "--mem=50")
    held = small_slurm.submit("true", "--hold", "--mem=50")
    small_slurm.wait(array)
    queue = {record.job_id: record for record in (await source.queue()).records}
    tasks = {job_id: record for job_id, record in queue.items() if record.array_job_id == array}
    assert {record.array_task_id for record in tasks.values()} == {1, 2}
    for job_id, record in (await executions(source, *tasks)).items():
        assert (record.submit_s, record.array_task_id) == (queue[job_id].submit_s, queue[job_id].array_task_id)
    assert (queue[held].state, queue[held].reason, queue[held].start_s) == (JobState.PENDING, "JobHeldUser", None)
    small_slurm.slurm("scancel", str(held))


async def test_a_requeued_run_is_a_record_of_its_own_with_another_submit_time(
    small_slurm: SmallSlurm, source: CommandSource
) -> None:
    job_id = small_slurm.submit("sleep 60", "--requeue", "--mem=50")
    small_slurm.wait_state(job_id, "RUNNING")
    small_slurm.slurm("scontrol", "requeue", str(job_id))
    small_slurm.wait_state(job_id, "PENDING")
    first = (await source.executions([job_id])).records[0]
    (now,) = (record for record in (await source.queue()).records if record.job_id == job_id)
    assert (first.state, now.state, now.restart_count) == (JobState.REQUEUED, JobState.PENDING, 1)
    assert first.submit_s != now.submit_s
    assert now.start_s is None
    small_slurm.slurm("scancel", str(job_id))


async def test_nodes_and_partitions_are_those_of_the_configuration(
    small_slurm: SmallSlurm, source: CommandSource
) -> None:
    nodes = (await source.nodes()).records
    assert [node.name for node in nodes] == small_slurm.node_names
    assert {node.address for node in nodes} == {"127.0.0.1"}
    partitions = {one.name: one for one in (await source.partitions()).records}
    assert set(partitions["all"].nodes) == set(small_slurm.node_names)
    assert partitions["all"].is_default


async def test_catching_up_finds_jobs_of_the_last_hour(small_slurm: SmallSlurm, source: CommandSource) -> None:
    job_id = small_slurm.submit("true", "--mem=50")
    small_slurm.wait(job_id)
    (record,) = (await source.executions([job_id])).records
    assert record.submit_s is not None
    assert job_id in {one.job_id for one in (await source.executions_since(record.submit_s - 60)).records}


async def test_the_text_of_a_queue_says_what_its_json_says(small_slurm: SmallSlurm, source: CommandSource) -> None:
    """What releases are asked whose squeue has no JSON, asked of one that has it."""
    small_slurm.submit("sleep 60", "-J", "a b\nc", "--mem=50")
    small_slurm.submit("true", "--hold", "--array=1-5:2", "--mem=50")
    separator = "<|>"
    inside = Inside(small_slurm)
    environment = {"PATH": "/usr/bin:/bin", "TZ": "UTC", "SLURM_TIME_FORMAT": "%s", "SLURM_BITSTR_LEN": "0"}

    def read(pieces: Pieces) -> dict[int, JobRecord]:
        decoded = queue_text.queue_jobs(pieces, separator)
        assert (decoded.refused, dict(decoded.unknown)) == (0, {})
        return {record.job_id: record for record in decoded.records}

    from_text = await inside(["squeue", *queue_text.arguments(separator)], environment, 20, read)
    from_json = {record.job_id: record for record in (await source.queue()).records}
    same = (
        "name",
        "user",
        "user_id",
        "group_id",
        "partition",
        "submit_s",
        "array_job_id",
        "array_task_id",
    )
    for job_id in from_text.keys() & from_json.keys():
        told, known = from_text[job_id], from_json[job_id]
        assert [getattr(told, name) for name in same] == [getattr(known, name) for name in same]
        assert told.array_tasks == known.array_tasks
    for job_id in from_text:
        small_slurm.slurm("scancel", str(job_id), check=False)


async def test_slurm_tells_its_name_of_the_cluster(source: CommandSource) -> None:
    queue = (await source.queue()).records
    name = await source.cluster_name()
    assert name
    assert {record.cluster for record in queue} <= {name}


async def test_slurmdbd_says_who_belongs_to_which_account_and_who_coordinates_it(
    small_slurm: SmallSlurm, source: CommandSource
) -> None:
    cluster = await source.cluster_name()
    assert cluster is not None
    small_slurm.slurm("sacctmgr", "-i", "add", "account", "below", "parent=clusers", f"cluster={cluster}")
    small_slurm.slurm("sacctmgr", "-i", "add", "user", "john", "account=below", f"cluster={cluster}")
    small_slurm.slurm("sacctmgr", "-i", "add", "coordinator", "account=clusers", "names=carol")
    people = await source.account_people(cluster)
    assert {AccountPerson("alice", "clusers", False), AccountPerson("john", "below", False)} <= set(people)
    assert {person.account for person in people if person.user == "john"} == {"guests", "below"}
    assert {person.account for person in people if person.is_coordinator} == {"clusers", "below"}
    assert {person.user for person in people if person.is_coordinator} == {"carol"}


async def test_slurmdbd_says_what_jobs_used(small_slurm: SmallSlurm, source: CommandSource) -> None:
    burn = "import time\nwhile time.process_time() < 1.5: pass"
    job = small_slurm.submit(f'srun --ntasks=1 python3 -c "{burn}"; exit 0')
    idle = small_slurm.submit("sleep 100")
    small_slurm.wait_state(idle, "RUNNING")
    small_slurm.slurm("scancel", str(idle), user="alice")
    for one in (job, idle):
        small_slurm.wait(one)
    now_s = int(time.time())
    answer = await source.used_between(now_s - 3600, now_s + 3600)
    used = {one.job_id: one for one in answer.records}
    assert answer.refused == 0
    assert used[job].state is JobState.COMPLETED
    assert used[job].cpu_s is not None
    assert used[job].cpu_s >= 1.4
    assert (used[job].user, used[job].steps >= 2) == ("alice", True)
    assert used[idle].cpu_s is None or used[idle].cpu_s < 1.0
    own = MeasuredUse(
        job_id=job,
        run=1,
        submit_s=used[job].submit_s,
        state=JobState.COMPLETED,
        start_ns=(used[job].start_s or 0) * 10**9,
        end_ns=(used[job].end_s or 0) * 10**9,
        cpu_s=used[job].cpu_s + 0.05,
    )
    causes = {one.figure.value: one.cause.value for one in compare(own, used[job]).verdicts}
    assert causes == {
        "state": "agrees",
        "begin": "agrees",
        "end": "agrees",
        "cpu": "agrees",
        "memory": "not-measured",
    }
