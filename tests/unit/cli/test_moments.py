"""Moments as people type them."""

from __future__ import annotations

import argparse
import time

import pytest

from slurmlens.cli.ask.moments import moment_argument


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-23T08:00:00Z", 1_795_420_800),
        ("2026-11-23T09:00:00+01:00", 1_795_420_800),
        ("1795420800", 1_795_420_800),
    ],
)
def test_a_moment_with_its_zone_is_that_moment(text: str, seconds: int) -> None:
    assert moment_argument(text) == str(seconds)


@pytest.mark.parametrize(("text", "seconds"), [("90m", 5400), ("2h", 7200), ("3d", 259_200), ("1w ago", 604_800)])
def test_as_long_ago_counts_from_now(text: str, seconds: int) -> None:
    before = int(time.time()) - seconds
    assert before - 1 <= int(moment_argument(text)) <= int(time.time()) - seconds


def test_a_time_without_a_zone_is_the_readers() -> None:
    local = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(1_795_420_800))
    assert moment_argument(local) == "1795420800"
    assert moment_argument("9:05") == moment_argument("09:05")


@pytest.mark.parametrize("text", ["", "yesterday", "25:00", "2026-13-01", "h"])
def test_what_is_no_moment_is_refused_with_what_would_do(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="it looks like"):
        moment_argument(text)
