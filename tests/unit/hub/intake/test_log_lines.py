"""Whose word about a line's job is believed: its own node's and a relay's, a forwarder's as the client's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC

import msgspec
import pytest

from slurmlens.hub.intake.log_lines import LogIntake
from slurmlens.hub.logs.keeping import Kept
from slurmlens.log_lines import JobSource, LogLine
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire.log_documents import encode
from testkit.manual_clock import ManualClock


class ByHeader:
    async def node_of(self, headers: Mapping[str, str], body: bytes) -> str:
        return headers["x-slurmlens-node"]


class Keeps:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.lines: list[LogLine] = []

    async def keep(self, lines: list[LogLine]) -> Kept:
        self.lines += lines
        return Kept([], {})


def sent(line: LogLine, speaker: str, **headers: str) -> tuple[list[LogLine], dict[str, object]]:
    """What the hub keeps of a line that `speaker` sent, and what it answered."""
    clock, keeper = ManualClock(), Keeps()
    intake = LogIntake(
        max_body_bytes=10_000,
        prove=ByHeader(),
        forwarders=["loghost"],
        relays=["relay1"],
        keeper=keeper,  # type: ignore[arg-type]
        zone=UTC,
        reporter=Reporter(Counters(), clock),
        clock=clock,
    )
    told = {"x-slurmlens-node": speaker, **{name.replace("_", "-"): value for name, value in headers.items()}}
    _, answer = asyncio.run(intake.take(encode(line) + b"\n", told, None))
    return keeper.lines, msgspec.json.decode(answer)


LINE = LogLine(
    id="a", time_ns=1, node="n1", message="x", program="slurm_7", job_id=5, job_source=JobSource.CGROUP, repeats=3
)


@pytest.mark.parametrize("speaker", ["n1", "relay1"])
def test_what_a_node_says_of_the_job_by_the_kernels_word_ranks_before_the_tag(speaker: str) -> None:
    ((line,), _) = sent(LINE, speaker)
    assert (line.job_id, line.job_source, line.contradiction) == (5, JobSource.CGROUP, "tag says job 7")
    assert line.repeats == 3


def test_a_forwarder_is_not_believed_to_know_the_cgroup() -> None:
    ((line,), _) = sent(LINE, "loghost")
    assert (line.job_id, line.job_source) == (7, JobSource.TAG)
    assert line.contradiction == "tag says job 5"


def test_a_tag_under_which_another_user_wrote_is_not_believed() -> None:
    told = "user 1001 wrote under the tag of job 7, which is another user's"
    ((line,), _) = sent(msgspec.structs.replace(LINE, job_id=None, job_source=None, contradiction=told), "n1")
    assert (line.job_id, line.contradiction) == (None, told)


def test_who_calls_itself_a_relay_and_is_none_is_refused_and_may_send_again() -> None:
    kept, answer = sent(LINE, "n1", x_slurmlens_relay="yes")
    assert (kept, answer["reason"]) == ([], "relay")
