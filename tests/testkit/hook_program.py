"""The real emitter, compiled for a folder of the test's own, and run as slurmd runs it."""

from __future__ import annotations

import resource
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from testkit.checkout import ROOT

SOURCES = ROOT / "slurm_hooks"
SAMPLES = ROOT / "tests" / "fixtures" / "hook-env"

Environment = Mapping[str, str] | Mapping[bytes, bytes]


@dataclass(frozen=True)
class HookProgram:
    """`base` is its /run/slurmlens: compiled in, for nothing else can say where it writes."""

    path: Path
    base: Path

    @property
    def events(self) -> Path:
        return self.base / "events"

    @property
    def controller_events(self) -> Path:
        """Where the hooks of slurmctld write."""
        return self.base / "controller/events"

    @property
    def lost(self) -> Path:
        return self.base / "lost"

    @property
    def syslog_socket(self) -> Path:
        return self.base / "log"

    @property
    def journal_socket(self) -> Path:
        return self.base / "journal"

    def prepare(self) -> None:
        """The folders as tmpfiles.d makes them, empty."""
        shutil.rmtree(self.base, ignore_errors=True)
        self.events.mkdir(parents=True)
        self.lost.mkdir()
        self.controller_events.mkdir(parents=True)
        (self.base / "controller/lost").mkdir()

    def run(
        self,
        environment: Environment,
        *,
        called_as: str = "slurmlens-prolog",
        before_exec: Callable[[], None] | None = None,
        arguments: Sequence[str] = (),
        prefix: Sequence[str] = (),
    ) -> subprocess.CompletedProcess[bytes]:
        """Run it to its end; `prefix` is a command that runs it (strace, unshare), with the program's own path then."""
        command = [*prefix, str(self.path)] if prefix else [called_as, *arguments]
        return subprocess.run(
            command,
            executable=None if prefix else self.path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            preexec_fn=before_exec,
            timeout=60,
            check=False,
        )

    def written(self) -> list[Path]:
        """Everything that lies in the dropbox, temporary files too, by name."""
        return sorted(path for path in self.events.rglob("*") if not path.is_dir())

    def lost_count(self, role: str) -> int:
        path = self.lost / role
        return path.stat().st_size if path.exists() else 0


def build(build_folder: Path, base: Path, *options: str) -> HookProgram:
    """Compile it; `options` as in slurm_hooks/Makefile (`SANITIZE=1`, `LIBC=1`)."""
    program = HookProgram(build_folder / "slurmlens-hook", base)
    subprocess.run(
        [
            "make",
            "-s",
            "-C",
            SOURCES,
            f"BUILD={build_folder}",
            f"RUN_BASE={base}",
            f"SYSLOG_SOCKET={program.syslog_socket}",
            f"JOURNAL_SOCKET={program.journal_socket}",
            *options,
        ],
        check=True,
        capture_output=True,
    )
    return program


def sample_names() -> list[str]:
    """Every recorded environment, as `release/hook`."""
    return sorted(str(path.relative_to(SAMPLES).with_suffix("")) for path in SAMPLES.rglob("*.txt"))


def sample(name: str) -> dict[str, str]:
    """The environment of one recorded hook: comment lines at its head, the argv after `--` at its end are left out."""
    text = (SAMPLES / f"{name}.txt").read_text(encoding="utf-8", errors="surrogateescape")
    lines = text.split("\n--\n")[0].splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def limit(what: int, value: int) -> Callable[[], None]:
    """For `before_exec`: a resource limit."""
    return lambda: resource.setrlimit(what, (value, value))
