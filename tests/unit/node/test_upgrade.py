"""What a daemon of before the upgrade left on a node is taken over by today's, without loss.

The files were made by the code of an earlier commit (tests/fixtures/upgrade/README.md); no test writes them anew.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from slurmlens.delivery.batches import Stream
from slurmlens.delivery.spool import DropKind, DropTotal
from slurmlens.events import JobEnd, JobStart, Witness
from slurmlens.node.sighting_file import SightingFile
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.checkout import ROOT
from testkit.manual_clock import ManualClock
from testkit.registry_node import Node, moment
from testkit.spools import SpoolSetup, settled, take_all

LEFT = ROOT / "tests" / "fixtures" / "upgrade"


def notice(accounts: Mapping[DropKind, DropTotal]) -> bytes:
    return json.dumps({f"{stream.value} {reason}": one.lines for (stream, reason), one in accounts.items()}).encode()


def copy_of(name: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(LEFT / name, tmp_path / name))


def event(number: int) -> bytes:
    return b'{"id":"event-%d"}\n' % number


@pytest.mark.parametrize(("left", "points_upto"), [("spool-closed", 9), ("spool-killed", 7)])
async def test_every_batch_that_waited_in_an_earlier_spool_reaches_its_receivers(
    left: str, points_upto: int, tmp_path: Path
) -> None:
    setup = SpoolSetup(copy_of(left, tmp_path))
    spool = await setup.opened(notice=notice)
    assert spool.state.dropped[Stream.EVENTS, "age"].lines == 1, "what the daemon before gave up stays counted"
    waiting = [event(0), b'{"events age": 1}', *map(event, range(1, 6))]
    assert await take_all(spool, "file") == waiting
    assert await take_all(spool, "hub") == waiting[2:], "the hub had two batches already"
    points = [point[:10] for point in await take_all(spool, "carbon")]
    assert points == [b"slurm.x.%02d" % number for number in range(1, points_upto + 1)]
    await settled(spool)
    await spool.close()


async def test_totals_that_an_earlier_daemon_could_not_store_are_reported_by_the_next(tmp_path: Path) -> None:
    (tmp_path / "untold.json").write_bytes((LEFT / "untold.json").read_bytes())
    setup = SpoolSetup(tmp_path / "spool", unreported=tmp_path / "untold.json")
    spool = await setup.opened(notice=notice)
    await settled(spool)
    assert await take_all(spool, "hub") == [b'{"metrics memory_limit": 15}']
    assert not (tmp_path / "untold.json").exists(), "the spool's own file has it now"
    await spool.close()


def test_sightings_of_an_earlier_daemon_go_on_and_the_owed_summary_is_sent() -> None:
    left = SightingFile(LEFT / "sightings.json", Reporter(Counters(), ManualClock())).load()
    assert left is not None
    (running,), (owed,) = left.sightings, left.ended
    node = Node(1160.0, left)
    node.appears(7, 1160.1)
    node.appears(9, 1160.1)
    node.vanishes(9, 1170.0)
    node.vanishes(7, 1200.0)
    node.epilog(7, 1200.1, restart_count=1)
    node.tick(1260.0)
    assert node.events(JobStart) == []
    assert [end.witness for end in node.events(JobEnd)] == [Witness.HOOK]
    summaries = {summary.job.job_id: summary for summary in node.summaries()}
    assert summaries[7].start_ns == running.start.wall_ns == moment(1010.0).wall_ns
    assert summaries[7].job.user_name == "alice"
    assert summaries[7].unseen_s == 60.0
    assert summaries[9].id == owed.summary.id
    assert (summaries[9].slot, summaries[9].end_ns) == (2, moment(1050.0).wall_ns)
