"""What the demo checks of who used what: every job that ended is counted, and the parts add up to the whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deploy import json_client


def check_usage(hub_url: str, ended: int, check: Callable[[bool, str], None]) -> None:
    """All tables of the management's page are sums of the same core-seconds, of all jobs that ended."""
    answer: dict[str, Any] = json_client.get(f"{hub_url}/api/v1/management")
    wholes = {table["whole"]["sums"]["core_s"] for table in answer["tables"]}
    parts = {sum(row["sums"]["core_s"] for row in table["rows"]) for table in answer["tables"]}
    counted = answer["tables"][0]["whole"]["sums"]["ended"]
    check(wholes == parts and len(wholes) == 1, f"usage adds up: {sorted(wholes)} core-seconds by each dimension")
    check(counted >= ended, f"usage counts {counted} runs that ended, of at least {ended}")
