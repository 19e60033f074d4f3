"""Jobs in the virtual machine: submitted as root does it, and their pages once all is told."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any

from deploy.vm.machine import VirtualMachine

PATIENCE_S = 900.0
"""An emulated squeue takes long, and the hub asks for a tenth of the time at most: it waits minutes for its turn."""
SAYING = """
import re, sys, time, urllib.request
url, pattern, deadline, last = sys.argv[2], re.compile(sys.argv[3]), time.time() + float(sys.argv[1]), ""
while not pattern.search(last):
    if time.time() > deadline:
        sys.exit(last)
    time.sleep(2)
    try:
        last = urllib.request.urlopen(url).read().decode()
    except OSError as error:
        last = str(error)
print(last)
"""
PAGES = """
import json, sys, time, urllib.request
ids, deadline, last = sys.argv[2:], time.time() + float(sys.argv[1]), {}
while True:
    for one in ids:
        try:
            last[one] = json.load(urllib.request.urlopen("http://127.0.0.1:6830/jobs/%s.json" % one))
        except OSError as error:
            last[one] = {"error": str(error)}
    waiting = [one for one, page in last.items() if page.get("phase") != "ended" or not page.get("nodes")
               or len(page["nodes"]) < (page["allocation"]["node_count"] or 1)
               or any(one.get("oom_kills") is None for one in page["nodes"])]
    if not waiting or time.time() > deadline:
        break
    time.sleep(3)
print(json.dumps({"pages": last, "waiting": waiting}))
"""


def submit(cluster: VirtualMachine, script: str, options: str = "-n1 --mem=100") -> str:
    """Submits one job of this script; returns its id."""
    cluster.put(f"#!/bin/sh\n{script}\n", "/root/job.sh")
    # Behind what sbatch itself complains of.
    return cluster.run(f"cd /tmp && sbatch --parsable {options} /root/job.sh").split()[-1]


def pages_of(cluster: VirtualMachine, jobs: Sequence[str]) -> dict[str, Any]:
    """Their pages as JSON once the scheduler's end and each node's summary are there; one of its runs is `ID/RUN`."""
    cluster.put(PAGES, "/var/tmp/pages.py")
    found = json.loads(cluster.run(f"python3 /var/tmp/pages.py {PATIENCE_S:.0f} {' '.join(jobs)}"))
    assert found["waiting"] == [], found["pages"]
    pages: dict[str, Any] = found["pages"]
    return pages


def page(cluster: VirtualMachine, job: str) -> dict[str, Any]:
    """One job's page, as `pages_of`."""
    found: dict[str, Any] = pages_of(cluster, [job])[job]
    return found


def page_saying(cluster: VirtualMachine, job: str, pattern: str) -> dict[str, Any]:
    """A job's page once a regular expression finds something in its JSON."""
    cluster.put(SAYING, "/var/tmp/saying.py")
    url = f"http://127.0.0.1:6830/jobs/{job}.json"
    said = cluster.run(f"python3 /var/tmp/saying.py {PATIENCE_S:.0f} {url} {shlex.quote(pattern)}")
    found: dict[str, Any] = json.loads(said)
    return found


def steps_of(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A page's steps by their names in Slurm."""
    return {one["step"]: one for one in found["steps"]}
