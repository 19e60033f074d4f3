"""Each program opens only sockets of the families that its unit allows: started for real, watched by strace.

The virtual machine's tests start the units themselves; this is what a machine without systemd as pid 1 can tell.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from testkit.checkout import ROOT

PATIENCE_S = 60
SETTINGS = {
    "node": 'cluster = "demo"\nnode = "n1"\ndropbox_path = "{folder}/events"\nruntime_path = "{folder}/run"\n'
    '[spool]\npath = "{folder}/spool"\n[sinks.hub]\nurl = "http://127.0.0.1:1"\n',
    "hub": 'cluster = "demo"\nruntime_path = "{folder}/run"\n'
    '[database]\nurl = "sqlite+aiosqlite:///{folder}/hub.sqlite"\n[listen]\nport = 0\n',
    "relay": 'cluster = "demo"\nname = "r1"\nruntime_path = "{folder}/run"\n[spool]\npath = "{folder}/spool"\n'
    '[listen]\nport = 0\n[carbon]\nport = 0\n[sinks.hub]\nurl = "http://127.0.0.1:1"\n',
}
MODULES = {"node": "slurmlens.node.start", "hub": "slurmlens.hub.main", "relay": "slurmlens.relay.main"}


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed (Debian: strace)")
@pytest.mark.parametrize("program", sorted(SETTINGS))
def test_a_program_opens_no_socket_that_its_unit_forbids(tmp_path: Path, program: str) -> None:
    (tmp_path / "events").mkdir()
    config = tmp_path / f"{program}.toml"
    config.write_text(SETTINGS[program].format(folder=tmp_path))
    trace = tmp_path / "trace"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd, (tmp_path / "log").open("wb") as log:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(PATIENCE_S)
        watched = ["strace", "-f", "-qq", "-e", "trace=socket", "-o", str(trace)]
        process = subprocess.Popen(
            [*watched, sys.executable, "-m", MODULES[program], "--config", str(config)],
            env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            while b"READY=1" not in systemd.recv(4096):
                pass
        except TimeoutError:
            pytest.fail((tmp_path / "log").read_text())
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(PATIENCE_S)
    unit = (ROOT / f"systemd/slurmlens-{program}.service").read_text()
    allowed = set(re.findall(r"^RestrictAddressFamilies=(.*)$", unit, re.MULTILINE)[0].split())
    opened = set(re.findall(r"socket\((AF_\w+)", trace.read_text()))
    assert opened <= allowed
    assert opened
