"""Runs the cases and writes the table: the front door of the benchmark (`make bench`).

Owns the order of the cases and the command line. Never asserts: a case that cannot run gives rows that say why, one
that breaks is shown as broken, and the others go on. Ends with status 0 unless it was used wrongly.
"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from bench.report import terminal_lines, update_document, write_document
from bench.result import NotMeasurable, Result
from bench.setting import BURST_TASKS, Setting

DOCUMENT = Path(__file__).parents[1] / "docs" / "performance.md"
CASES = {
    "P1": "bench.p01_sampler",
    "P2": "bench.p02_whole_daemon",
    "P3": "bench.p03_syscalls",
    "P4": "bench.p04_tiers",
    "P5": "bench.p05_peer",
    "P7": "bench.p07_core_share",
    "P8": "bench.p08_memory",
    "P9": "bench.p09_start_up",
    "P10": "bench.p10_loop_lag",
    "P11": "bench.p11_hook",
    "P12": "bench.p12_hook_whatever_happens",
    "P12BURST": "bench.p12_two_hundred_jobs",
    "P13": "bench.p13_burst_of_hooks",
    "P14": "bench.p14_plugin",
    "P15": "bench.p15_event_decode",
    "COLLECTORS": "bench.collectors",
    "P16": "bench.p16_carbon_encode",
    "P17": "bench.p17_hook_to_page",
    "P19": "bench.p19_job_page",
    "P18": "bench.p18_hub_ingest",
    "P20": "bench.p20_usage_reports",
    "P20LONG": "bench.p20_ten_million",
    "P20POSTGRESQL": "bench.p20_on_postgresql",
    "P21": "bench.p21_enrichment",
    "P22": "bench.p22_dashboards",
    "P31": "bench.p31_operator_page",
    "P23": "bench.p23_nodes_on_one_hub",
    "STORM": "bench.storm",
    "P24": "bench.p24_noise",
    "P25": "bench.p25_bursts",
    "P26": "bench.p26_scheduler",
    "P26QUEUE": "bench.p26_huge_queue",
    "P27": "bench.p27_array_bursts",
    "P28": "bench.p28_log_ingest",
    "P29": "bench.p29_log_search",
    "P29SERVER": "bench.p29_search_server",
    "P38": "bench.p38_beats",
    "P39": "bench.p39_lists",
    "P39LONG": "bench.p39_ten_million",
    "P40": "bench.p40_bytes_a_job",
    "P33": "bench.p33_common_cause",
    "P34": "bench.p34_early_stop",
    "P35": "bench.p35_campaign_controller",
    "FINDINGS": "bench.findings",
    "SPOOL": "bench.spool_append",
    "DISK": "bench.disk_writes",
    "REPLAY": "bench.replay",
    "LOGS": "bench.log_lines_on_node",
    "UPGRADE": "bench.upgrade",
    "IDLE": "bench.idle_partition",
    "CAUSES": "bench.causes",
    "PEER": "bench.peer_campaign",
}


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the cgroups are removed
    results: list[Result] = []
    with Setting(options.quick, options.soak_minutes, options.long_history, options.burst_tasks) as setting:
        for target in options.only or CASES:
            begin_s = time.monotonic()
            for result in run_case(importlib.import_module(CASES[target]), setting):
                results.append(result)
                print("\n".join(terminal_lines(result)), flush=True)
            print(f"     ({time.monotonic() - begin_s:.0f} s)", flush=True)
    if options.output:
        command = " ".join(["make bench"] + ([f'ARGS="{" ".join(sys.argv[1:])}"'] if sys.argv[1:] else []))
        write = update_document if options.only and options.output.exists() else write_document
        write(results, options.output, command=command, date=datetime.now(UTC))
        for name, text in setting.documents.items():
            (options.output.parent / name).write_text(text, encoding="utf-8")
    return 0


def run_case(case: ModuleType, setting: Setting) -> list[Result]:
    """The case's results; where it cannot run or breaks, its rows with the reason."""
    try:
        return list(case.measure(setting))
    except NotMeasurable as reason:
        return [row.no_figure(f"not measured: {reason}") for row in case.ROWS]
    except Exception as error:  # one broken case must not take the others' results with it
        traceback.print_exc()
        return [row.no_figure(f"broken: {type(error).__name__}: {error}") for row in case.ROWS]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.run", description="Measures the targets and writes the table."
    )
    parser.add_argument("--quick", action="store_true", help="shorter windows and fewer rounds: a look, not a result")
    parser.add_argument(
        "--only",
        type=_targets,
        help="targets, such as P2,P5; with --output their rows alone are made anew",
    )
    parser.add_argument("--soak-minutes", type=int, default=0, help="watch memory (P8) for so long instead of a minute")
    parser.add_argument("--long-history", type=Path, help="the folder of ten million jobs (P39LONG, P20LONG)")
    parser.add_argument("--burst-tasks", type=int, default=BURST_TASKS, help="how many array tasks P27 has")
    parser.add_argument("--output", type=Path, help="where the table goes; docs/performance.md in a full run")
    options = parser.parse_args(arguments)
    if options.output is None and not (options.quick or options.only):
        options.output = DOCUMENT
    return options


def _targets(text: str) -> list[str]:
    wanted = text.upper().split(",")
    unknown = [name for name in wanted if name not in CASES]
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not among {', '.join(CASES)}")
    return wanted


if __name__ == "__main__":
    sys.exit(main())
