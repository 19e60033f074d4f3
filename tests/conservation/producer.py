"""A program that writes hook events as slurmd's hooks do, and logs what it renamed into the dropbox: what was accepted.

Run as `python -m conservation.producer FOLDER SEED EVENTS WINDOW [EMITTER]`: FOLDER holds the dropbox `events` and gets
the log `accepted.ndjson`; at most WINDOW files wait in the dropbox (hooks do not wait, but their number is bounded by
the jobs of a node). With EMITTER, every `EMITTED_EVERY`th document is made by the real one, in a folder of its own from
which it is renamed into the dropbox. SIGTERM ends it after a whole event. Everything but times and ids comes from SEED.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

EMITTED_EVERY = 40
JOBS_AT_ONCE = 12
RUNS_AT_MOST = 3
LOOK_EVERY = 32
POLL_S = 0.005
NODE = "vmnode"
USERS = ("alice", "bob", "čeněk", "d" * 200)
NAMES = ("a.out", 'Größe \\ "quoted"', "lauf\tmit\nUmbruch", "中文" * 60, "x", "#!/bin/sh")


def as_emitted(text: str) -> str:
    """One character a byte, as the emitter writes what it finds in its environment."""
    return text.encode().decode("latin-1")


def stories(chance: random.Random) -> Iterator[tuple[str, dict[str, str]]]:
    """Role and environment of one hook after another: several jobs at once, some requeued, each in its order."""
    open_jobs: list[list[tuple[str, dict[str, str]]]] = []
    next_job = 1
    while True:
        while len(open_jobs) < JOBS_AT_ONCE:
            open_jobs.append(_life(next_job, chance))
            next_job += 1
        index = chance.randrange(len(open_jobs))
        yield open_jobs[index].pop(0)
        if not open_jobs[index]:
            del open_jobs[index]


def _life(job_id: int, chance: random.Random) -> list[tuple[str, dict[str, str]]]:
    env = {
        "SLURM_JOB_ID": str(job_id),
        "SLURMD_NODENAME": NODE,
        "SLURM_JOB_USER": chance.choice(USERS),
        "SLURM_JOB_UID": str(chance.randrange(1000, 60_000)),
        "SLURM_JOB_ACCOUNT": f"group{chance.randrange(9)}",
        "SLURM_JOB_PARTITION": "batch",
        "SLURM_JOB_NAME": chance.choice(NAMES),
    }
    hooks = []
    for run in range(chance.choice((1, 1, 1, 2, RUNS_AT_MOST))):
        told = env | {"SLURM_JOB_RESTART_COUNT": str(run)}
        hooks.append(("prolog", told))
        hooks.append(("epilog", told | {"SLURM_JOB_EXIT_CODE2": f"{chance.randrange(3)}:{chance.choice((0, 9))}"}))
    return hooks


class Producer:
    """Writes into one dropbox and logs it."""

    def __init__(self, folder: Path, window: int, emitter: Path | None) -> None:
        self._events = folder / "events"
        self._log = (folder / "accepted.ndjson").open("ab", buffering=0)
        self._window = window
        self._emitter = emitter
        self._staging = folder / "staging" / "events"
        self._boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        self._made = 0
        self.is_asked_to_end = False

    def run(self, hooks: Iterator[tuple[str, dict[str, str]]], events: int) -> None:
        """So many events, or until asked to end."""
        for role, env in hooks:
            if self._made == events or self.is_asked_to_end:
                return
            if self._made % LOOK_EVERY == 0:
                self._wait_for_room()
            if self._emitter is not None and self._made % EMITTED_EVERY == 0:
                self._emit(self._emitter, role, env)
            else:
                self._write(role, env)
            self._made += 1

    def _wait_for_room(self) -> None:
        while len(os.listdir(self._events)) >= self._window and not self.is_asked_to_end:
            time.sleep(POLL_S)

    def _write(self, role: str, env: dict[str, str]) -> None:
        document = {
            "v": 1,
            "id": secrets.token_hex(16),
            "role": role,
            "time_ns": time.time_ns(),
            "boot_id": self._boot_id,
            "boottime_ns": time.clock_gettime_ns(time.CLOCK_BOOTTIME),
            "env": {name: as_emitted(value) for name, value in env.items()},
        }
        name = f"{document['boottime_ns']:020}-{os.getpid()}-{role}.json"
        temporary = self._events / f".{name}.tmp"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(temporary, flags, 0o640)
        line = json.dumps(document).encode() + b"\n"
        os.write(handle, line)
        os.close(handle)
        self._accept(temporary, name, line)

    def _emit(self, emitter: Path, role: str, env: dict[str, str]) -> None:
        subprocess.run([f"slurmlens-{role}"], executable=emitter, env=env, stdin=subprocess.DEVNULL, check=True)
        (path,) = self._staging.iterdir()
        self._accept(path, path.name, path.read_bytes())

    def _accept(self, path: Path, name: str, line: bytes) -> None:
        """The rename accepts it; only then it stands in the log."""
        path.rename(self._events / name)
        self._log.write(line)


def main(arguments: list[str]) -> None:
    folder, seed, events, window = Path(arguments[0]), arguments[1], int(arguments[2]), int(arguments[3])
    producer = Producer(folder, window, Path(arguments[4]) if len(arguments) > 4 else None)

    def end(*_: Any) -> None:
        producer.is_asked_to_end = True

    signal.signal(signal.SIGTERM, end)
    producer.run(stories(random.Random(seed)), events)


if __name__ == "__main__":
    main(sys.argv[1:])
