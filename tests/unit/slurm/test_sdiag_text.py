"""What sdiag prints, read: figures of every section, whatever is missing or odd."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.errors import DecodeError
from slurmlens.slurm.sdiag_text import RpcUse, statistics

RECORDED = Path(__file__).parents[2] / "fixtures/slurm/22.05/sdiag.txt"
HEAD = b"sdiag output at Thu Jan 01 (1000)\nData since      Thu Jan 01 (400)\n"


def test_a_recorded_answer_tells_queues_cycles_and_who_asked() -> None:
    told = statistics([RECORDED.read_bytes()])
    assert (told.at_s, told.since_s) == (1796050324, 1796050258)
    assert (told.server_threads, told.agent_queue, told.dbd_agent_queue) == (3, 0, 0)
    assert (told.main_cycles, told.main_last_us, told.main_mean_us, told.main_max_us) == (15, 910, 216, 910)
    assert (told.main_depth, told.queue_length) == (5, 2)
    assert (told.backfill_last_us, told.backfill_max_us, told.backfill_depth, told.backfilled_jobs) == (
        138,
        5187,
        5,
        12,
    )
    assert (told.rpc_users[0].user, told.rpc_count) == ("root", 180)
    assert sum(one.total_us for one in told.rpc_users) == told.rpc_total_us


def test_figures_of_one_section_are_not_taken_for_those_of_another() -> None:
    answer = (
        HEAD
        + b"Server thread count:  3\nDBD Agent queue size: 7\n"
        + b"Main schedule statistics (microseconds):\n\tLast cycle:   30\n\tMax cycle:    781\n\tTotal cycles: 19\n"
        + b"Backfilling stats\n\tTotal cycles: 3\n\tLast cycle: 17\n"
        + b"Remote Procedure Call statistics by message type\n\tREQUEST_X ( 1) count:9 ave_time:1 total_time:9\n"
        + b"Remote Procedure Call statistics by user\n"
        + b"\troot            (       0) count:34     ave_time:251    total_time:8562\n"
        + b"\talice           (    1001) count:2      ave_time:9      total_time:18\n"
    )
    told = statistics([answer])
    assert (told.server_threads, told.dbd_agent_queue) == (3, 7)
    assert (told.main_last_us, told.main_max_us, told.main_cycles, told.backfill_last_us) == (30, 781, 19, 17)
    assert (told.rpc_count, told.rpc_total_us) == (36, 8580)
    assert told.rpc_users[0] == RpcUse(user="root", count=34, total_us=8562)


def test_what_is_not_there_is_not_known() -> None:
    told = statistics([HEAD])
    assert (told.main_last_us, told.rpc_count, told.rpc_users) == (None, None, ())


def test_an_answer_that_does_not_say_when_it_is_from_is_none() -> None:
    with pytest.raises(DecodeError):
        statistics([b"slurm_get_statistics: Unable to contact slurm controller\n"])


@given(st.binary(max_size=400))
def test_whatever_comes_is_read_or_refused(noise: bytes) -> None:
    told = statistics([HEAD, noise])
    assert (told.at_s, told.since_s) != (0, 0)
