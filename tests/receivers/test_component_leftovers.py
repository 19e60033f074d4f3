"""A test run that is killed leaves no server behind, not even one that it had paused."""

from __future__ import annotations

import signal
import subprocess
import sys

from deploy.component import start_and_wait
from deploy.components.lumber import Lumber
from deploy.sandbox import CHECKOUT, Sandbox

from deploy import instance
from testkit.leftovers import processes_of, wait_gone

ENDED_MAX_S = 5.0
# Two servers, one of them paused, and a test run that never ends.
HOLDER = """
import signal
from deploy.component import start_and_wait
from deploy.components.lumber import Lumber
from deploy.sandbox import Sandbox
sandbox = Sandbox()
sandbox.start()
running, paused = Lumber(sandbox), Lumber(sandbox, "paused")
start_and_wait(running)
start_and_wait(paused)
paused.pause()
print(sandbox.identity, flush=True)
signal.pause()
"""


def test_servers_end_with_the_run_that_started_them_even_a_paused_one(lumber: Lumber) -> None:
    command = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        identity = holder.stdout.readline().strip()
        assert processes_of(identity)
        holder.kill()
    assert wait_gone(identity) == []
    instance.remove_leftovers()
    assert not (instance.BASE / f"{instance.PREFIX}{identity}").exists()
    assert lumber.ready(), "this run's own is not disturbed"


def test_a_sandbox_ends_although_a_server_in_it_is_paused() -> None:
    with Sandbox() as sandbox:
        lumber = Lumber(sandbox)
        start_and_wait(lumber)
        process = lumber.process
        assert process is not None
        lumber.pause()
    assert process.wait(ENDED_MAX_S) == -signal.SIGKILL
