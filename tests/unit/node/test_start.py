"""The program's entry point keeps OpenSSL out, and what needs a hash still has one."""

from __future__ import annotations

import subprocess
import sys

PROBE = """
import sys
from slurmlens.node import start
sys.argv = ["slurmlens-node", "--config", "/nowhere/node.toml"]
assert start.main() == 2
import hashlib
assert hashlib.sha256(b"abc").hexdigest().startswith("ba7816bf")
loaded = [line.split()[-1] for line in open("/proc/self/maps") if "libssl" in line or "libcrypto" in line]
assert not loaded, loaded
"""


def test_the_daemon_starts_without_openssl_in_its_memory() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
