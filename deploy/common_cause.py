"""What the demo checks of the hub's answer to which failures have what in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deploy import json_client

MOST_CHANCE = 0.05


def check_common_cause(hub_url: str, faulty: str, check: Callable[[bool, str], None]) -> None:
    """The faulty node comes first, is named, and its chance after correction is small."""
    answer = json_client.get(f"{hub_url}/api/v1/common-cause")
    causes = [line["cause"] for line in answer["causes"]]
    first: dict[str, Any] = causes[0] if causes else {"kind": "nothing", "name": "", "q": 1.0, "is_named": False}
    is_it = (first["kind"], first["name"]) == ("node", faulty) and first["is_named"] and first["q"] < MOST_CHANCE
    check(is_it, f"the common cause is {first['kind']} {first['name']}, q = {first['q']:.2g}")
