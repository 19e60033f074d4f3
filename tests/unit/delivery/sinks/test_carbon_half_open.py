"""A carbon whose machine is gone says nothing: that nothing moves must be noticed, and nothing may be lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from testkit.checkout import ROOT


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"), reason="needs root, unshare and ip"
)
def test_what_went_into_a_dead_connection_is_sent_again_when_carbon_is_back() -> None:
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-m", "testkit.half_open_carbon"],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'daemon'}:{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["failed"] == "timeout"
    # The kernel goes on with the dead connection as well, so a line may come once more, at any time.
    assert list(dict.fromkeys(told["received"].splitlines())) == ["before 1 1", "meanwhile 1 1", "after 1 1"]
