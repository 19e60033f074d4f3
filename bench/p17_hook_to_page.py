"""P17: how long after a hook has written its event the job's page shows it: hook, node daemon, hub and page are real.

One after the other, Slurm's own program writes a Prolog's event; the page of that job is asked for until it is there.
The page must name the job as running on the node: an address that answers is not enough.
"""

from __future__ import annotations

import http.client
import time
from pathlib import Path

from bench import dropbox
from bench.hub_load.programs import hub
from bench.node_daemon import DaemonShape
from bench.result import Goal, NotMeasurable, Result, Row, percentile
from bench.setting import Setting

ASK_EVERY_S = 0.01
GIVE_UP_S = 10.0
ROWS = (Row("P17", "hook event to visible on the job's page, p99", Goal(2), Goal(0.5), "absolute", " s"),)


def measure(setting: Setting) -> list[Result]:
    with hub(setting.new_folder()) as server:
        shape = DaemonShape(setting.idle_node, hub_port=server.port)
        daemon = setting.daemon(shape)
        hooks = dropbox.build_hooks(daemon.dropbox.parent)
        with dropbox.mounted(daemon.dropbox), daemon:
            if _delay_s(hooks, 0, shape.node, server.port) >= GIVE_UP_S:
                raise NotMeasurable(f"the first job's page never came: {daemon.last_words()}")
            numbers = range(1, setting.choose(200, 40) + 1)
            delays = [_delay_s(hooks, 2 * number, shape.node, server.port) for number in numbers]
    missing = sum(delay >= GIVE_UP_S for delay in delays)
    note = (
        f"{len(delays)} jobs one after the other, p50 {percentile(delays, 0.5):.2f} s, longest {max(delays):.2f} s;"
        f" {missing} not there within {GIVE_UP_S:g} s"
    )
    return [ROWS[0].measured(percentile(delays, 0.99), note)]


def _delay_s(hooks_folder: Path, number: int, node: str, port: int) -> float:
    program, environment = dropbox.hook_call(hooks_folder, number, node)
    dropbox.call(program, environment)
    began_s = time.monotonic()
    while time.monotonic() - began_s < GIVE_UP_S:
        if _shows(port, environment["SLURM_JOB_ID"], node):
            return time.monotonic() - began_s
        time.sleep(ASK_EVERY_S)
    return GIVE_UP_S


def _shows(port: int, job_id: str, node: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=GIVE_UP_S)
    try:
        connection.request("GET", f"/jobs/{job_id}")
        answer = connection.getresponse()
        page = answer.read()
    finally:
        connection.close()
    return answer.status == 200 and node.encode() in page
