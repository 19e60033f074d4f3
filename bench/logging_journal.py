"""Writes entries in the journal's export format at a steady rate, each with a write of its own, as journalctl -f does.

Run as `python logging_journal.py RATE`; 0 writes nothing and waits. Started by the daemon under test in the place of
journalctl: what stands in its entries is what a job of 2 nodes logs under systemd 252, 14 fields.
"""

from __future__ import annotations

import os
import sys
import time

ENTRY = (
    "__CURSOR=s=06ab2d444df14e678b003efcadda90bd;i={n:x};b=6ba2f0288cb94870be61b89d2cd2858b;m=631dae9be;"
    "t=6617cba47f938;x=d5c8bfc90331af50\n__REALTIME_TIMESTAMP={us}\n__MONOTONIC_TIMESTAMP=26606234046\n"
    "_BOOT_ID=6ba2f0288cb94870be61b89d2cd2858b\nSYSLOG_FACILITY=3\n_UID=1000\n_PID={pid}\n_COMM=python\n"
    "PRIORITY=6\nSYSLOG_IDENTIFIER=app{app}\n_SYSTEMD_UNIT=slurmstepd.scope\n"
    "_SYSTEMD_CGROUP=/system.slice/slurmstepd.scope/job_{job}/step_0/user/task_{task}\n"
    "MESSAGE=iteration {n} of many, residual {residual:.5f}, all is well so far\n_SOURCE_REALTIME_TIMESTAMP={us}\n\n"
)


def main(rate_per_s: int) -> None:
    """Writes until nobody reads."""
    if not rate_per_s:
        time.sleep(86_400)
    begin_s = time.monotonic()
    for n in range(10**9):
        us = time.time_ns() // 1000
        places = {"pid": 1000 + n % 50, "app": n % 20, "job": 1 + n % 40, "task": n % 4}
        os.write(1, ENTRY.format(n=n, us=us, residual=n * 1.234, **places).encode())
        time.sleep(max(0.0, begin_s + (n + 1) / rate_per_s - time.monotonic()))


if __name__ == "__main__":
    main(int(sys.argv[1]))
