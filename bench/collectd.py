"""Debian's collectd with `cgroups` and `write_graphite` on the same jobs, as the peer to compare with.

Owns a collectd process and its configuration file. collectd reports the folders exactly two levels below the first
cpuacct mount, so it is started in a mount namespace of its own in which the node's folder stands for the whole
hierarchy: its second level are the same 200 jobs. It reads one file per job (cpuacct.stat) and sends two metrics.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.result import NotMeasurable
from bench.tree import Tree

CONFIG = """
Hostname "bench"
FQDNLookup false
Interval {interval_s:g}
ReadThreads 1
WriteThreads 1
PIDFile "{folder}/collectd.pid"
BaseDir "{folder}"
LoadPlugin logfile
LoadPlugin cgroups
LoadPlugin write_graphite
<Plugin logfile>
  LogLevel "warning"
  File "{folder}/collectd.log"
</Plugin>
<Plugin cgroups>
  CGroup "/^job_/"
  IgnoreSelected false
</Plugin>
<Plugin write_graphite>
  <Node "sink">
    Host "127.0.0.1"
    Port "{carbon_port}"
    Protocol "tcp"
  </Node>
</Plugin>
"""
# The mount is private to the shell, which then becomes collectd: its pid is ours to measure.
IN_ITS_OWN_MOUNTS = 'mount --make-rprivate / && mount --bind "$1" "$2" && exec collectd -f -C "$3"'


class Collectd:
    """A running collectd; a context manager. `pid` is its process."""

    def __init__(self, tree: Tree, folder: Path, carbon_port: int, interval_s: float) -> None:
        if shutil.which("collectd") is None:
            raise NotMeasurable("needs collectd (Debian: collectd-core)")
        config = folder / "collectd.conf"
        config.write_text(CONFIG.format(interval_s=interval_s, folder=folder, carbon_port=carbon_port))
        node, mount = tree.user_folder("cpuacct").parent, tree.mounts["cpuacct"]
        quiet = subprocess.DEVNULL
        shell = ["unshare", "--mount", "sh", "-ec", IN_ITS_OWN_MOUNTS, "sh", str(node), str(mount), str(config)]
        self._process = subprocess.Popen(shell, stdin=subprocess.DEVNULL, stdout=quiet, stderr=quiet)
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
