"""What the demo checks of who used what: every job that ended is counted, and the parts add up to the whole."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from deploy import json_client

PATIENCE_S = 20.0


def check_usage(hub_url: str, ended: int, check: Callable[[bool, str], None]) -> None:
    """All tables of the management's page are sums of the same core-seconds, of all jobs that ended."""
    answer = _counted(hub_url, ended)
    wholes = {table["whole"]["sums"]["core_s"] for table in answer["tables"]}
    parts = {sum(row["sums"]["core_s"] for row in table["rows"]) for table in answer["tables"]}
    counted = answer["tables"][0]["whole"]["sums"]["ended"]
    check(wholes == parts and len(wholes) == 1, f"usage adds up: {_words(wholes)} core-seconds by each dimension")
    check(counted >= ended, f"usage counts {counted} runs that ended, of at least {ended}")


def _words(wholes: set[float]) -> str:
    return " or ".join(f"{whole:g}" for whole in sorted(wholes))


def _counted(hub_url: str, ended: int) -> dict[str, Any]:
    """The management's view once the hub has charged so many runs, or as it is after `PATIENCE_S`."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        answer: dict[str, Any] = json_client.get(f"{hub_url}/api/v1/management")
        if answer["tables"][0]["whole"]["sums"]["ended"] >= ended or time.monotonic() > deadline:
            return answer
        time.sleep(0.3)
