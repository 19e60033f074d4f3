"""The program's entry point keeps out of the process what the daemon does not need, and misses none of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from slurmlens.config.load import NODE_PATH
from slurmlens.node.options import Options, parse
from slurmlens.runtime import process

PROBE = """
import sys
from slurmlens.node import start
assert start.main() == 4
import hashlib
assert hashlib.sha256(b"abc").hexdigest().startswith("ba7816bf")
loaded = [line.split()[-1] for line in open("/proc/self/maps") if "libssl" in line or "libcrypto" in line]
assert not loaded, loaded
import slurmlens.node.pipeline
from asyncinotify import Inotify
Inotify().close()
assert "slurmlens.runtime.http_server" not in sys.modules  # for a page that is not configured
assert not [name for name in sys.modules if "log_inputs." in name or "log_documents" in name]  # inputs are off
loaded = {"argparse", "typing_extensions", "shutil", "tempfile", "lzma", "bz2"} & sys.modules.keys()
assert not any(sys.modules[name] for name in loaded), loaded
assert "_decimal" not in sys.modules
"""


def run_where_another_runs(probe: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The probe's `start.main` goes as far as to see that another daemon holds the lock."""
    config = folder / "node.toml"
    config.write_text(f'runtime_path = "{folder}"\n')
    lock = process.lock_folder(folder)
    assert lock is not None
    try:
        command = [sys.executable, "-c", probe, "--config", str(config)]
        return subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        os.close(lock)


def test_the_daemon_starts_with_nothing_in_its_memory_that_it_does_not_need(tmp_path: Path) -> None:
    done = run_where_another_runs(PROBE, tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_client_that_a_configured_sink_needs_can_be_imported_all_the_same(tmp_path: Path) -> None:
    needing = "import slurmlens.delivery.sinks.kafka\nimport decimal\nassert decimal.Decimal('0.1') * 3 < 1\n"
    done = run_where_another_runs(PROBE + needing, tmp_path)
    assert done.returncode == 0, done.stderr


def test_settings_that_cannot_be_used_end_the_program_with_2() -> None:
    probe = "import sys\nfrom slurmlens.node import start\nsys.exit(start.main())\n"
    command = [sys.executable, "-c", probe, "--config", "/nowhere/node.toml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("slurmlens-node: /nowhere/node.toml: no such file")


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ([], NODE_PATH),
        (["--config", "a.toml"], Path("a.toml")),
        (["--config=a.toml"], Path("a.toml")),
        (["--conf", "a.toml"], Path("a.toml")),
        (["--config", "a.toml", "--config", "b.toml"], Path("b.toml")),
    ],
)
def test_the_short_way_and_argparse_read_a_command_line_alike(arguments: list[str], path: Path) -> None:
    assert parse(arguments) == Options(path)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["--help"], 0), (["--version"], 0), (["--config"], 2), (["--config", "--version"], 2), (["x"], 2)],
)
def test_what_is_no_usual_command_line_ends_the_program(arguments: list[str], status: int) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == status
