"""The real daemon process on a recorded machine that moves: hooks and cgroups in, hub and carbon out, whatever kills
it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from slurmlens.cli.main import main as slurmlens
from slurmlens.events import (
    FigureSource,
    JobEnd,
    JobProfile,
    JobStart,
    JobSummary,
    NodeHeartbeat,
    NodeSoftware,
    Witness,
)
from testkit.moving_tree import MovingTree
from testkit.node_process import NodeProcess, accept, node_process, run_to_its_end
from testkit.scripted_server import answer
from testkit.waiting import until


@pytest.fixture(params=["v1-22.05", "v2-22.05-io-pids"])
async def node(request: pytest.FixtureRequest, tmp_path: Path, unpacked_recordings: Path) -> AsyncIterator[NodeProcess]:
    tree = MovingTree(request.param, tmp_path, unpacked_recordings)
    (tmp_path / "d").mkdir()
    async with node_process(tree, tmp_path / "d") as process:
        yield process


def summaries(node: NodeProcess) -> list[JobSummary]:
    return [event for event in node.events(JobSummary) if isinstance(event, JobSummary)]


async def sampled(node: NodeProcess, job_id: int) -> None:
    """Wait until the daemon says that it samples this job's cgroup."""

    async def is_sampled() -> bool:
        return any(job.job_id == job_id and job.cgroups for job in (await node.status()).jobs)

    await until(is_sampled, "the job is sampled")


def cpu_s(summary: JobSummary) -> float:
    assert summary.totals.cpu_s is not None
    return summary.totals.cpu_s.value


async def test_a_job_goes_the_whole_road(node: NodeProcess, golden: Callable[[str, str], None]) -> None:
    await node.start()
    prolog = node.hook("prolog", 7, SLURM_JOB_USER="alice", SLURM_JOB_UID="2000")
    node.tree.start_job(7, steps=("batch",))
    await until(lambda: bool(node.events(JobStart)), "the start")
    node.tree.burn(7, "batch", 1.5)
    node.tree.hold(7, "batch", 64 << 20)
    series_of_job = f"slurm.demo.nodes.{node.tree.node}.slots.0.memory_rss_bytes"
    await until(lambda: node.series().count(series_of_job) > 0, "a slow tick's points")
    await until(lambda: bool(node.events(JobProfile)), "news of the profile")
    node.tree.burn(7, "batch", 0.25)
    node.tree.end_job(7)
    epilog = node.hook("epilog", 7, SLURM_JOB_EXIT_CODE2="42:0")
    await until(lambda: bool(summaries(node)), "the summary")
    await until(lambda: not node.waiting_hooks(), "the hooks' files go")

    (start,), (end,), (summary,) = node.events(JobStart), node.events(JobEnd), summaries(node)
    assert (start.id, end.id) == (prolog, epilog)
    assert cpu_s(summary) == pytest.approx(1.75, abs=1e-6)
    assert summary.totals.cpu_s is not None
    assert summary.totals.cpu_s.source is FigureSource.PARENT_REST
    assert (summary.job.user_name, summary.job.exit_code, summary.slot) == ("alice", 42, 0)
    assert summary.profile is not None
    own = [name for name in node.series() if ".slots." in name]
    golden(f"node/series-{node.tree.place.hierarchy.value}.txt", "\n".join(own) + "\n")
    assert await node.stop() == 0


async def test_what_is_installed_goes_the_whole_road(node: NodeProcess) -> None:
    status = node.tree.root / "var/lib/dpkg/status"
    status.parent.mkdir(parents=True)
    status.write_text("Package: libc6\nStatus: install ok installed\nVersion: 2.36\n")
    await node.start()

    def told() -> list[str]:
        found = [one for one in node.events(NodeSoftware) if isinstance(one, NodeSoftware) and one.source == "dpkg"]
        return [f"{package.name} {package.version}" for one in found for package in one.packages]

    await until(lambda: told() == ["libc6 2.36"], "the packages of the machine")


async def test_the_programs_of_a_step_go_the_whole_road(node: NodeProcess) -> None:
    await node.start()
    node.tree.start_job(7, steps=("batch",))
    node.tree.runs(7, "batch", 4711, "my solver", threads=8)
    await sampled(node, 7)

    kept = node.folder / "run/sightings.json"
    await until(lambda: kept.exists() and "my solver" in kept.read_text(), "the walk")
    node.tree.end_job(7)
    await until(lambda: bool(summaries(node)), "the summary")
    (step,) = summaries(node)[0].totals.steps
    assert [(one.name, one.processes, one.threads) for one in step.programs] == [("my solver", 1, 8)]


async def test_without_hooks_a_job_is_found_sampled_and_ended_from_the_cgroup_tree(node: NodeProcess) -> None:
    await node.start()
    node.tree.start_job(7, steps=("batch",))
    node.tree.burn(7, "batch", 0.5)
    await until(lambda: bool(node.events(JobStart)), "the start")
    node.tree.end_job(7)
    await until(lambda: bool(summaries(node)), "the summary")
    (summary,) = summaries(node)
    assert summary.start_witness is summary.end_witness is Witness.CGROUP
    assert cpu_s(summary) == pytest.approx(0.5, abs=1e-6)
    assert summary.job.job_id == 7


async def test_sigkill_loses_no_hook_event_whose_file_went_into_the_spool(node: NodeProcess) -> None:
    node.hub.script[:] = [answer(500)]
    await node.start()
    prolog = node.hook("prolog", 7)
    await until(lambda: not node.waiting_hooks(), "the file goes although the hub is away")
    assert await node.stop(signal.SIGKILL) == -signal.SIGKILL
    epilog = node.hook("epilog", 7)
    assert len(node.waiting_hooks()) == 1

    node.hub.script[:] = [accept]
    node.hub.requests.clear()
    await node.start()
    await until(lambda: bool(summaries(node)), "the summary")
    assert {prolog, epilog} <= {event.id for event in node.events()}
    (start,), (summary,) = node.events(JobStart), summaries(node)
    assert start.sighting == summary.sighting
    assert summary.totals.cpu_s is None, "nobody watched, so nothing is known"


async def test_sigterm_ends_no_job_and_the_next_daemon_has_its_whole_total(node: NodeProcess) -> None:
    await node.start()
    node.hook("prolog", 7)
    node.tree.start_job(7, steps=("batch",))
    node.tree.burn(7, "batch", 1.0)
    await until(lambda: any(".slots.0." in name for name in node.series()), "it is sampled")
    assert await node.stop() == 0
    assert node.events(JobEnd) == []
    assert summaries(node) == []
    assert node.events(JobProfile), "what was new in its profile was sent at the end"

    node.tree.burn(7, "batch", 2.0)
    await node.start()
    await sampled(node, 7)
    node.tree.burn(7, "batch", 0.5)
    node.tree.end_job(7)
    node.hook("epilog", 7)
    await until(lambda: bool(summaries(node)), "the summary")
    (start,), (summary,) = node.events(JobStart), summaries(node)
    assert cpu_s(summary) == pytest.approx(3.5, abs=1e-6)
    assert summary.sighting == start.sighting
    assert summary.unseen_s > 0.0


async def test_a_kill_of_the_daemon_costs_no_job_the_figures_of_steps_that_had_ended(node: NodeProcess) -> None:
    await node.start()
    node.hook("prolog", 7)
    node.tree.start_job(7, steps=("batch", "0"))
    await until(lambda: any(".slots.0." in name for name in node.series()), "it is sampled")
    node.tree.burn(7, "0", 3.0)
    node.tree.end_step(7, "0")
    kept = node.folder / "run/sightings.json"
    await until(lambda: kept.exists() and FigureSource.PARENT_REST.value in kept.read_text(), "the step is kept")
    assert await node.stop(signal.SIGKILL) == -signal.SIGKILL

    await node.start()
    await sampled(node, 7)
    node.tree.end_job(7)
    node.hook("epilog", 7)
    await until(lambda: bool(summaries(node)), "the summary")
    (summary,) = summaries(node)
    steps = {step.step: step.cpu_s for step in summary.totals.steps}
    assert steps.keys() == {"batch", "0"}
    assert steps["0"] is not None
    assert (steps["0"].value, steps["0"].complete) == (pytest.approx(3.0, abs=1e-6), True)


async def test_a_job_that_ends_while_no_daemon_runs_has_the_totals_of_the_last_sample(node: NodeProcess) -> None:
    await node.start()
    node.hook("prolog", 7)
    node.tree.start_job(7, steps=("batch",))
    node.tree.burn(7, "batch", 1.0)
    await until(lambda: any(".slots.0." in name for name in node.series()), "it is sampled")
    await node.stop()
    node.tree.burn(7, "batch", 2.0)
    node.tree.end_job(7)
    node.hook("epilog", 7)
    await node.start()
    await until(lambda: bool(summaries(node)), "the summary")
    (start,), (end,), (summary,) = node.events(JobStart), node.events(JobEnd), summaries(node)
    assert start.sighting == end.sighting == summary.sighting
    assert summary.totals.cpu_s is not None
    assert summary.totals.cpu_s.value == pytest.approx(1.0, abs=1e-6)
    assert not summary.totals.cpu_s.complete


async def test_a_damaged_sighting_file_costs_nothing_but_itself(node: NodeProcess) -> None:
    (node.folder / "run").mkdir()
    (node.folder / "run/sightings.json").write_bytes(b"\x00 no json")
    node.tree.start_job(7, steps=("batch",))
    node.tree.burn(7, "batch", 1.0)
    await node.start()
    await until(lambda: bool(node.events(JobStart)), "the job is found")
    assert "sighting_file_unreadable" in node.log()


async def test_a_hub_that_is_away_holds_up_nothing_else(node: NodeProcess) -> None:
    node.hub.script[:] = [answer(503)]
    await node.start()
    node.hook("prolog", 7)
    node.tree.start_job(7, steps=("batch",))
    await until(lambda: any(".slots." in name for name in node.series()), "points")
    status = await node.status()
    assert [job.job_id for job in status.jobs] == [7]
    assert {sink.name: sink.failures_in_a_row > 0 for sink in status.sinks} == {"hub": True, "carbon": False}
    assert await node.stop() == 0


async def test_bad_input_is_counted_and_spoils_nothing_else(node: NodeProcess) -> None:
    await node.start()
    node.drop("00000000000000000001-1-prolog.json", b"no json")
    node.drop("00000000000000000002-1-prolog.json", b"x" * 100_000)
    (node.dropbox / ".link").symlink_to("/etc/passwd")
    (node.dropbox / ".link").rename(node.dropbox / "00000000000000000003-1-prolog.json")
    (node.tree.place.cpu / "job_99999999999999").mkdir()
    node.hook("prolog", 7, SLURM_JOB_NAME='"><script>\n../../\xff')
    node.tree.start_job(7, steps=("batch",))
    node.tree.burn(7, "batch", 0.5)
    await until(lambda: bool(node.events(JobStart)), "the good one's start")
    node.tree.end_job(7)
    node.hook("epilog", 7)
    await until(lambda: bool(summaries(node)), "the good one's summary")
    assert cpu_s(summaries(node)[0]) == pytest.approx(0.5, abs=1e-6)
    counters = (await node.status()).counters
    refused = {name: value for name, value in counters.items() if name.startswith("dropbox_refused_total")}
    assert sum(refused.values()) == 3


async def test_heartbeats_name_the_running_jobs(node: NodeProcess) -> None:
    await node.start()
    node.hook("prolog", 7)
    await until(
        lambda: any(
            [job_id for job_id, _ in beat.running] == [7]
            for beat in node.events(NodeHeartbeat)
            if isinstance(beat, NodeHeartbeat)
        ),
        "a heartbeat with the job",
    )


async def test_status_shows_it_in_the_terminal(node: NodeProcess, capsys: pytest.CaptureFixture[str]) -> None:
    assert slurmlens(["status", "--config", str(node.config)]) == 3
    assert "Does slurmlens-node run" in capsys.readouterr().err
    await node.start()
    node.hook("prolog", 7)
    await until(lambda: bool(node.events(JobStart)), "the start")
    assert await asyncio.to_thread(lambda: slurmlens(["status", "--config", str(node.config)])) == 0
    said = capsys.readouterr().out
    assert f"demo/{node.tree.node}" in said
    assert "job 7" in said
    assert "hub" in said


async def test_a_second_daemon_of_the_same_node_says_so_and_ends(node: NodeProcess) -> None:
    await node.start()
    second = await asyncio.to_thread(lambda: run_to_its_end(node.config))
    assert second.returncode == 4
    assert "another one uses" in second.stderr
    assert (await node.status()).node == node.tree.node


def test_settings_that_are_wrong_are_told_with_their_line(tmp_path: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text('cluster = "demo"\nintervall = 10\n')
    done = run_to_its_end(config)
    assert done.returncode == 2
    assert "node.toml:2" in done.stderr
    assert "intervall" in done.stderr


@pytest.mark.thorough
async def test_four_thousand_hook_events_wait_for_the_daemon_and_none_is_lost(node: NodeProcess) -> None:
    written = [node.hook(role, job_id) for job_id in range(1, 2001) for role in ("prolog", "epilog")]
    await node.start()
    await until(lambda: not node.waiting_hooks(), "the hooks' files go")
    told = {event.id for event in node.events(JobStart, JobEnd)}
    assert set(written) <= told
    # A file goes once its event is safe and its summary is owed; the last of those may be on its way still.
    await until(lambda: len(summaries(node)) >= 2000, "every job has its summary")
    assert len(summaries(node)) == 2000


async def test_an_order_to_look_closely_is_taken_for_a_job_that_is_here_and_no_other(node: NodeProcess) -> None:
    await node.start()
    node.tree.start_job(7, steps=("batch",))
    await sampled(node, 7)
    command = ["status", "--config", str(node.config), "--closely"]
    assert await asyncio.to_thread(lambda: slurmlens([*command, "8"])) == 1
    assert await asyncio.to_thread(lambda: slurmlens([*command, "7"])) == 0
