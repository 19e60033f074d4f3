"""P23: nodes that beat every 10 s and feed one hub, each on a connection of its own: whom it turns away, how fast it
answers, what it costs. Slurm does not answer meanwhile; the database is SQLite.
"""

from __future__ import annotations

from bench.hub_load.programs import hub, load
from bench.result import Goal, Result, Row
from bench.setting import Setting

NODES = 5000
MANY_NODES = 10_000
ROWS = (
    Row("P23", f"{NODES} nodes at 10 s on one hub: requests turned away", Goal(0), Goal(0), "absolute"),
    Row("P23", f"{NODES} nodes: delay of an answer, p99", Goal(50), Goal(10), "absolute", " ms"),
    Row("P23", f"{MANY_NODES} nodes at 10 s: requests turned away", Goal(0, "aim: 0"), Goal(0), "absolute"),
    Row("P23", f"{MANY_NODES} nodes: share of a core", Goal(100, "none"), Goal(35), "one core", " %"),
    Row("P23", f"{MANY_NODES} nodes: RSS of the hub", Goal(1024, "none"), Goal(256), "absolute", " MiB"),
)


def measure(setting: Setting) -> list[Result]:
    seconds = setting.choose(60, 20)
    results: list[Result] = []
    for nodes, rows in ((NODES, ROWS[:2]), (MANY_NODES, ROWS[2:])):
        folder = setting.new_folder()
        with hub(folder) as server:
            loaded = load(server, folder, "--nodes", str(nodes), "--seconds", str(seconds))
        seen = loaded.nodes_saw
        delays = ", ".join(f"{name} {seen[f'delay_{name}_s'] * 1e3:.1f} ms" for name in ("p50", "p99", "max"))
        note = f"{seen['sent']} requests in {loaded.wall_s:.0f} s, {seen['statuses']}; {delays}"
        figures = {
            "turned away": loaded.turned_away,
            "p99": seen["delay_p99_s"] * 1e3,
            "share of a core": loaded.core_share * 100,
            "RSS": loaded.resident_bytes / 2**20,
        }
        results += [
            row.measured(next(value for name, value in figures.items() if name in row.what), note) for row in rows
        ]
    return results
