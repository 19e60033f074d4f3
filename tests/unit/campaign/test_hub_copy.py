"""The hub's copy of a campaign: the newest state reaches it, and a hub that hangs keeps nobody waiting."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from slurmlens.campaign import record
from slurmlens.campaign.fold import State
from slurmlens.campaign.hub_copy import AGAIN_S, HubCopy
from slurmlens.errors import HubError
from slurmlens.wire.campaign_view import decode_campaign
from testkit.campaigns import bowl


def state_with(folder: Path, points: int) -> State:
    state = State(bowl(folder))
    for number in range(1, points + 1):
        state.apply(record.Asked(at_s=0.0, point=number, parameters={"x": float(number), "n": number}))
    return state


def test_the_newest_state_is_what_the_hub_has_in_the_end(tmp_path: Path) -> None:
    sent: list[int] = []
    copy = HubCopy(lambda name, body: sent.append(len(decode_campaign(body).points)))
    for points in (1, 2, 3):
        copy.offer(state_with(tmp_path, points), None)
    assert copy.close() is None
    assert sent[-1] == 3


def test_a_hub_that_hangs_keeps_nobody_waiting_and_gets_one_view_for_all_that_it_missed(tmp_path: Path) -> None:
    hangs, begun, sent = threading.Event(), threading.Event(), []

    def send(name: str, body: bytes) -> None:
        begun.set()
        hangs.wait(30)
        sent.append(len(decode_campaign(body).points))

    copy = HubCopy(send, last_wait_s=30)
    copy.offer(state_with(tmp_path, 1), None)
    assert begun.wait(30)
    for points in range(2, 9):
        copy.offer(state_with(tmp_path, points), None)
    hangs.set()
    assert copy.close() is None
    assert sent == [1, 8]


def test_what_the_hub_did_not_take_is_said_and_offered_again(tmp_path: Path) -> None:
    is_away, refused, sent = threading.Event(), threading.Semaphore(0), []
    is_away.set()

    def send(name: str, body: bytes) -> None:
        if is_away.is_set():
            refused.release()
            raise HubError("no answer")
        sent.append(name)

    state = state_with(tmp_path, 1)
    away = HubCopy(send, last_wait_s=30)
    away.offer(state, None)
    assert refused.acquire(timeout=30)
    assert away.close() == "no answer"
    copy = HubCopy(send, last_wait_s=30)
    copy.offer(state, None)
    assert refused.acquire(timeout=30)
    is_away.clear()
    deadline_s = time.monotonic() + 30
    while not sent and time.monotonic() < deadline_s:
        copy.offer(state, None)
        time.sleep(0.001)
    assert copy.close() is None
    assert sent


def test_an_unchanged_campaign_is_told_again_after_a_while_and_not_before(tmp_path: Path) -> None:
    now, sent = [1_000.0], []
    copy = HubCopy(lambda name, body: sent.append(name), last_wait_s=30, clock=lambda: now[0])
    state = state_with(tmp_path, 1)
    for moment in (1_000.0, 1_001.0, 1_000.0 + AGAIN_S - 1):
        now[0] = moment
        copy.offer(state, None)
    assert copy.close() is None
    assert sent == ["bowl"]


def test_without_a_hub_nothing_is_made(tmp_path: Path) -> None:
    before = threading.active_count()
    copy = HubCopy(None)
    copy.offer(state_with(tmp_path, 1), None)
    assert copy.close() is None
    assert threading.active_count() == before
