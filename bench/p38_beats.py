"""P38: what paced beats cost a hub, and what a line costs its write path, each against the least that it could be.

Beats of 2,000 nodes: hub and an aiohttp handler that only answers take the same requests at the same pace, in turn; the
ratio is of their CPU times. Lines: `hub_load.write_path`, without HTTP, runs concluded and profiles packed, against a
bare `executemany` of the same lines in as many commits.
"""

from __future__ import annotations

import statistics

from bench.hub_load.programs import Server, bare_handler, hub, load
from bench.hub_load.write_path import bare_cost_s, hub_costs
from bench.result import Goal, Result, Row, interleave
from bench.setting import Setting

NODES = 2000
LINES = 200
ROWS = (
    Row(
        "P38",
        f"paced beats of {NODES} nodes at 10 s: CPU of the hub / a bare aiohttp handler",
        Goal(1.6),
        Goal(1.15),
        "an aiohttp handler that reads the body and answers",
    ),
    Row(
        "P38",
        f"CPU a line of the write path, {LINES} a commit, no HTTP / a bare `executemany` of the same lines",
        Goal(6),
        Goal(3),
        "a table with a text key on the same disk, as many commits",
    ),
)


def measure(setting: Setting) -> list[Result]:
    seconds = str(setting.choose(30, 20))
    hub_folder, bare_folder = setting.new_folder(), setting.new_folder()
    with hub(hub_folder) as ours, bare_handler(bare_folder) as reference:

        def cost(server: Server) -> float:
            folder = hub_folder if server is ours else bare_folder
            return load(server, folder, "--nodes", str(NODES), "--seconds", seconds).cpu_s

        pairs = interleave(lambda: cost(ours), lambda: cost(reference), setting.choose(3, 1))
    requests = NODES * float(seconds) / 10
    note = (
        f"{statistics.median(pairs.ours) / requests * 1e6:.0f} µs a request against"
        f" {statistics.median(pairs.reference) / requests * 1e6:.0f} µs"
    )
    return [ROWS[0].measured(pairs.ratio, note), _write_path(setting)]


def _write_path(setting: Setting) -> Result:
    jobs, packing = setting.choose(2000, 1000), []

    def ours() -> float:
        costs = hub_costs(setting.new_folder(), jobs, LINES)
        packing.append(costs.packing_s)
        return costs.all_s

    pairs = interleave(ours, lambda: bare_cost_s(setting.new_folder(), jobs, LINES), setting.choose(5, 3))
    note = (
        f"{statistics.median(pairs.ours) * 1e6:.0f} µs a line, {statistics.median(packing) * 1e6:.0f} of them packing"
        f" profiles, against {statistics.median(pairs.reference) * 1e6:.1f} µs"
    )
    return ROWS[1].measured(pairs.ratio, note)
