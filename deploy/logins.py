"""Logins at an instance's hub: links as `slurmlens login` makes them for a user, and what a browser sees with one.

The user's identity is proved inside the sandbox, by its munge; what a session shows is asked from outside, as a browser
would. Used by the demo, which prints links, and by its checks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from deploy import json_client
from deploy.json_client import Browser, NotFound
from deploy.running import Ended
from deploy.slurmlens import program
from deploy.stack import Stack

OPERATOR = "root"


def link(stack: Stack, user: str) -> str:
    """A link that logs this user in once."""
    argv = [str(program("slurmlens")), "login", "--hub", stack.hub.url]
    return stack.sandbox.run(argv, user=user).stdout.strip()


def check_each_sees_his_own(stack: Stack, ended: Sequence[Ended], check: Callable[[bool, str], None]) -> None:
    """alice and bob are shown their own jobs and no other's; the operator all."""
    owners = {each.job_id: each.accounted.user for each in ended}
    for user in ("alice", "bob", OPERATOR):
        browser = json_client.log_in(link(stack, user), json_client.new_browser())
        expected = {job_id for job_id, owner in owners.items() if user in (owner, OPERATOR)}
        listed = _job_ids(stack.hub.url, browser) & set(owners)
        opened = {job_id for job_id in owners if _is_shown(stack.hub.url, job_id, browser)}
        whose = "all jobs" if user == OPERATOR else "no jobs but the user's own"
        check(listed == opened == expected, f"{user} is shown {whose}: {len(listed)} of {len(owners)}")


def _job_ids(hub_url: str, browser: Browser) -> set[int]:
    rows: list[dict[str, Any]] = json_client.get(f"{hub_url}/jobs.json", {"limit": 1000}, browser)["rows"]
    return {row["job_id"] for row in rows}


def _is_shown(hub_url: str, job_id: int, browser: Browser) -> bool:
    try:
        json_client.get(f"{hub_url}/jobs/{job_id}.json", browser=browser)
    except NotFound:
        return False
    return True
