"""The file that lands on nodes: nothing to load, nothing to relocate, nothing writable that can be executed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from slurmlens.hook_events import HookRole
from slurmlens.wire import hook as hook_format
from testkit import hook_program
from testkit.hook_program import SOURCES, HookProgram, sample


def _readelf(program: HookProgram, option: str) -> str:
    return subprocess.run(
        ["readelf", "-W", option, program.path], check=True, capture_output=True, text=True, env={"LC_ALL": "C"}
    ).stdout


def test_it_needs_no_loader_and_no_relocation(hook: HookProgram) -> None:
    assert "no relocations" in _readelf(hook, "-r")
    assert "INTERP" not in _readelf(hook, "-l")
    assert "NEEDED" not in _readelf(hook, "-d")


def test_no_memory_of_it_is_writable_and_executable(hook: HookProgram) -> None:
    segments = [
        line.split() for line in _readelf(hook, "-l").splitlines() if line.split()[:1] in (["LOAD"], ["GNU_STACK"])
    ]
    assert segments
    assert all(not {"W", "E"} <= set("".join(fields[6:-1])) for fields in segments)


def test_it_is_small(hook: HookProgram) -> None:
    loaded = [line.split() for line in _readelf(hook, "-l").splitlines() if line.split()[:1] == ["LOAD"]]
    assert sum(int(fields[4], 16) for fields in loaded) <= 10 * 1024


@pytest.mark.slow
@pytest.mark.skipif(
    not (shutil.which("aarch64-linux-gnu-gcc") and shutil.which("qemu-aarch64-static")),
    reason="needs gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user-static",
)
def test_on_aarch64_it_writes_the_same_event(tmp_path: Path) -> None:
    program = hook_program.build(tmp_path / "build", tmp_path / "run", "CC=aarch64-linux-gnu-gcc")
    program.prepare()
    result = program.run(sample("26.05/epilog"), prefix=["/usr/bin/qemu-aarch64-static"])
    assert result.returncode == 0
    written = json.loads(program.written()[0].read_bytes())
    assert hook_format.decode(program.written()[0].read_bytes()).role is HookRole.EPILOG
    program.prepare()
    hook_program.build(tmp_path / "native", tmp_path / "run").run(sample("26.05/epilog"))
    assert json.loads(program.written()[0].read_bytes())["env"] == written["env"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
@pytest.mark.parametrize(
    "call", ["/usr/libexec/slurmlens/slurmlens-hook.sh", ". /usr/libexec/slurmlens/slurmlens-hook.sh"]
)
@pytest.mark.parametrize("installed", [True, False], ids=["installed", "program missing"])
def test_a_line_in_the_sites_own_prolog_never_fails_it(hook: HookProgram, call: str, installed: bool) -> None:
    link = f"ln -s {hook.path} slurmlens-hook" if installed else ":"
    script = (
        f"mount -t tmpfs none /usr/libexec && mkdir /usr/libexec/slurmlens && cd /usr/libexec/slurmlens && {link}\n"
        f"cp {SOURCES}/slurmlens-hook.sh . && echo 'set -eu\n{call}\necho went on' > site-prolog\n"
        "exec env - $(cat /proc/self/environ | tr '\\0' '\\n' | grep ^SLURM) sh site-prolog"
    )
    result = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script],
        env={**sample("22.05/epilog"), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (result.stdout, result.stderr) == ("went on\n", "")
    assert len(hook.written()) == installed
