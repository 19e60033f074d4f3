"""P38, first half: what paced beats of 2,000 nodes cost the hub, against an aiohttp handler that only answers them.

Hub and handler take the same requests at the same pace, in turn; the ratio is of their CPU times.
"""

from __future__ import annotations

import statistics

from bench.hub_load.programs import Server, bare_handler, hub, load
from bench.result import Goal, Result, Row, interleave
from bench.setting import Setting

NODES = 2000
ROWS = (
    Row(
        "P38",
        f"paced beats of {NODES} nodes at 10 s: CPU of the hub / a bare aiohttp handler",
        Goal(1.6),
        Goal(1.15),
        "an aiohttp handler that reads the body and answers",
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
    return [ROWS[0].measured(pairs.ratio, note)]
