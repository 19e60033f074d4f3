"""P23, second half: all nodes come back at once after an outage of the hub, each with what it had to say meanwhile.

The hub is killed while its nodes run jobs, is away, and starts again on the same database and port. A node that is not
answered tries again every one to three seconds, with what has come to it since. The storm is over when the last request
was taken that held something due more than an interval before; the hub's start is in it.
"""

from __future__ import annotations

import json
import socket
import time

from bench.hub_load.programs import hub, simulated_nodes
from bench.result import Goal, NotMeasurable, Result, Row
from bench.setting import Setting

NODES = 5000
PORTS = (20_100, 20_200)
OUTAGE_S = 60
STEADY_S = 25
AFTERWARDS_S = 130
ROWS = (
    Row(
        "P23",
        f"{NODES} nodes with jobs come back after an outage of {OUTAGE_S} s: all is taken after",
        Goal(120),
        Goal(30),
        "absolute",
        " s",
    ),
)


def _port() -> int:
    """One from which no connection goes out: a node that tried one of those would at last connect to itself."""
    for port in range(*PORTS):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise NotMeasurable("no free port")


def measure(setting: Setting) -> list[Result]:
    outage_s, afterwards_s = OUTAGE_S, setting.choose(AFTERWARDS_S, AFTERWARDS_S // 2)
    folder = setting.new_folder()
    options = ["--nodes", str(NODES), "--jobs-per-node-hour", "30"]
    with hub(folder, port=_port()) as server:
        nodes = simulated_nodes(server, folder, *options, "--seconds", str(STEADY_S + outage_s + afterwards_s))
        time.sleep(STEADY_S)
        server.kill()
    time.sleep(outage_s)
    back_s = time.time()
    with hub(folder, port=server.port):
        seen, _ = nodes.communicate()
    told = json.loads(seen)
    if told["undelivered"]:
        raise NotMeasurable(f"{told['undelivered']} nodes were not heard before they ended: {told['statuses']}")
    note = (
        f"{told['lines']} lines, {told['connections']} connections, {told['statuses']}; an answer took"
        f" {told['delay_p99_s'] * 1e3:.0f} ms at p99, {told['delay_max_s']:.1f} s at most"
    )
    return [ROWS[0].measured(max(0.0, told["last_late_s"] - back_s), note)]
