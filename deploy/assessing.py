"""The demo's Galaxy: failed jobs are assessed by a workflow that the hub starts, and the report hangs on a job's page.

Owns when Galaxy is started (first of all, it takes a minute, and 1.1 GB of disk the first time) and what is looked at
afterwards. Used by the demo with --with-galaxy.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from deploy import json_client
from deploy.components.galaxy import TOOLS, Galaxy
from deploy.sandbox import Sandbox

MOST_S = 300.0


class Assessing:
    """One Galaxy beside a stack; `hub_table` goes into hub.toml, `wait` comes before the hub's start."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.galaxy = Galaxy(sandbox, "")
        self._key_file = sandbox.folder / "galaxy.key"

    @property
    def hub_table(self) -> str:
        """The hub's settings: one failure after the other, so that jobs of the demo are not in Galaxy's way."""
        return f"""
[workflows]
url = "{self.galaxy.url}"
key_file = "{self._key_file}"
workflow = "{TOOLS}/assess.gxwf.yml"
poll_interval_s = 1
at_once = 4
"""

    def start(self, hub: str) -> None:
        """Starts Galaxy, whose tools ask that hub."""
        self.galaxy.hub = hub
        self.galaxy.start()

    def wait(self) -> None:
        """Until it answers and the hub's key is there."""
        self.galaxy.wait()
        self.give_key()

    def give_key(self) -> None:
        """Makes a user, whose key the hub reads."""
        self._key_file.write_text(self.galaxy.user_key())
        self._key_file.chmod(0o644)  # the hub may run as another user; this sandbox is nobody else's

    def check(self, hub: str, job_id: int, say: Callable[[str], None], check: Callable[[bool, str], None]) -> None:
        """The report of the job is on its page."""
        deadline_s = time.monotonic() + MOST_S
        found: list[dict[str, Any]] = []
        while time.monotonic() < deadline_s and not any(one["state"] in ("done", "failed") for one in found):
            time.sleep(1.0)
            found = json_client.get(f"{hub}/jobs/{job_id}.json").get("assessments", [])
        check(bool(found) and found[0]["state"] == "done", "the failed job was assessed by a workflow in Galaxy")
        for one in found:
            say(f"{one['rule']}: {one['state']}, {one.get('problem') or 'score'} {one.get('total')}")
            for known in one["problems"]:
                say(f"  {known['name']}: {known['sign']}")
        say(f"its report: {hub}/jobs/{job_id}")

    def stop(self) -> None:
        """Ends it."""
        self.galaxy.stop()
