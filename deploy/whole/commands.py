"""The commands of `slurmlens stack`: up, status, scale, logs, down, list. Each prints what it did, and what next."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from deploy import instance
from deploy.errors import DeployError, MachineLacks
from deploy.hardware import node_shape
from deploy.sandbox import CHECKOUT, require_programs
from deploy.slurmlens import program
from deploy.whole import compose as composing
from deploy.whole import containers, description, images, in_containers, record
from deploy.whole.asking import ask
from deploy.whole.proofs import Proof, prove
from deploy.whole.running import RunningProcesses

NEEDED = ("unshare", "nsenter", "munged", "mariadbd", "slurmctld", "slurmd", "slurmdbd")
POLL_S = 0.2
DOWN_MAX_S = 90.0
SCALED_MAX_S = 90.0
MOST_COMPUTE = 64


def up(options: argparse.Namespace) -> int:
    """Brings a stack up and returns when all of it works."""
    rows = description.chosen(options.with_, options.without)
    ports = _ports(options.port)
    _check_counts(options)
    began_s = time.monotonic()
    if options.engine:
        if ports:
            raise DeployError("--port: an engine chooses the ports of a stack in containers")
        stack = in_containers.up(options, rows)
        _show_up(options.name, stack.folder, stack.record, began_s)
        return 0
    _check(options, rows, ports)
    command = [
        sys.executable,
        "-m",
        "deploy.whole",
        "supervise",
        "--name",
        options.name,
        "--compute",
        str(options.compute),
    ]
    command += [f"--with={name}" for name in options.with_] + [f"--without={name}" for name in options.without]
    command += [f"--port={word}" for word in options.port]
    with tempfile.TemporaryFile("w+") as said:
        supervisor = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            start_new_session=True,
        )
        assert supervisor.stdout is not None
        folder = supervisor.stdout.readline().strip()
        try:
            seen = _follow(supervisor, Path(folder)) if folder else None
        except KeyboardInterrupt:
            supervisor.terminate()
            supervisor.wait()
            print("ended; nothing is left behind")
            return 130
        if seen is None or seen.phase != "up":
            supervisor.wait()
            said.seek(0)
            raise DeployError(f"the stack did not come up, and nothing of it is left:\n{said.read().strip()}")
    _show_up(options.name, Path(folder), seen, began_s)
    return 0


def status(options: argparse.Namespace) -> int:
    """Proves the function of every service; exit status 1 where one fails."""
    stack = containers.find(options.name) or RunningProcesses(*record.find(options.name))
    seen, proofs = stack.record, prove(stack)
    if options.json:
        told = {"name": seen.name, "phase": seen.phase, "version": seen.version, "compute": len(seen.compute)}
        print(json.dumps(told | {"services": [vars(proof) for proof in proofs], "addresses": seen.addresses}))
    else:
        _show(seen, proofs)
    return 0 if all(proof.is_good for proof in proofs) else 1


def scale(options: argparse.Namespace) -> int:
    """So many compute nodes; returns when Slurm has them, and when those that leave are gone or still at work."""
    service, _, count = options.target.partition("=")
    if service != "compute" or not count.isdecimal():
        raise DeployError(f"{options.target!r}: say compute=NUMBER; nothing else comes and goes")
    if (in_engine := containers.find(options.name)) is not None:
        options.compute = int(count)
        _check_counts(options)
        print(in_containers.scale(in_engine, int(count)).run("sinfo", "-N", "-o", "%N %t %P").rstrip())
        return 0
    folder, seen = record.find(options.name)
    record.refuse_other_version(seen)
    print(ask(folder, do="scale", count=int(count)))
    deadline_s = time.monotonic() + SCALED_MAX_S
    while waiting := _not_settled(folder):
        if time.monotonic() > deadline_s:
            print(f"not there yet: {', '.join(waiting)}; `slurmlens stack status` tells")
            return 1
        time.sleep(POLL_S)
    print(RunningProcesses(folder, seen).run("sinfo", "-N", "-o", "%N %t %P").rstrip())
    return 0


def logs(options: argparse.Namespace) -> int:
    """Prints a service's log, or follows it; without a name, which logs there are."""
    if (in_engine := containers.find(options.name)) is not None:
        return in_containers.logs(in_engine, options)
    folder, _ = record.find(options.name)
    found = _logs(folder)
    if options.service is None:
        print("\n".join(f"{name}  {path.stat().st_size} bytes" for name, path in sorted(found.items())))
        return 0
    paths = [
        path for name, path in sorted(found.items()) if name == options.service or options.service in name.split(".")
    ]
    paths = paths or [path for name, path in sorted(found.items()) if options.service in name]
    if not paths:
        raise DeployError(f"no log of {options.service!r}: {', '.join(sorted(found))}")
    tail = ["tail", "-n", str(options.lines), *(["-F"] if options.follow else []), *map(str, paths)]
    try:
        return subprocess.run(tail, check=False).returncode
    except KeyboardInterrupt:
        return 0


def down(options: argparse.Namespace) -> int:
    """Ends a stack; returns when nothing of it is left. In containers, images stay: the next stack is up sooner."""
    if (engine := containers.engine_of(options.name)) is not None:
        containers.remove(engine, options.name)
        print(f"stack {options.name!r} is down, nothing is left behind but images")
        return 0
    folder, _ = record.find(options.name)
    owner = json.loads((folder / instance.MARK).read_text())[0]
    if instance.start_ticks(owner["pid"]) == owner["started"]:
        os.kill(owner["pid"], signal.SIGTERM)
    deadline_s = time.monotonic() + DOWN_MAX_S
    while folder.exists():
        if time.monotonic() > deadline_s:
            os.kill(owner["pid"], signal.SIGKILL)  # its namespace ends with it; what it leaves is removed below
            break
        time.sleep(POLL_S)
    while instance.is_live(folder) and time.monotonic() < deadline_s + 10:
        time.sleep(POLL_S)
    instance.remove_leftovers()
    print(f"stack {options.name!r} is down, nothing is left behind")
    return 0


def compose(options: argparse.Namespace) -> int:
    """Writes the Compose file with its images and settings, and builds the images where an engine is named."""
    rows = description.chosen(options.with_, options.without)
    engine = options.build.split() if options.build else []
    if engine and shutil.which(engine[0]) is None:
        raise MachineLacks(f"engine {engine[0]} is not there: install podman, or use `slurmlens stack up` without one")
    if options.out.exists() and any(options.out.iterdir()):
        raise DeployError(f"{options.out} is not empty: name a new folder, for the secrets in it belong to one stack")
    composing.write(options.out, rows, options.compute, node_shape())
    print(f"written: {options.out}/compose.yaml, for {', '.join(row.name for row in rows if row.name != 'munge')}")
    if engine:
        images.build(engine, options.out, lambda words: print(words, flush=True))
    print(f"next: podman-compose -f {options.out}/compose.yaml up -d")
    return 0


def listing(options: argparse.Namespace) -> int:
    """The stacks that are up on this machine."""
    for name in containers.names():
        if (stack := containers.find(name)) is not None:
            _show_line(name, stack.record, stack.folder)
    for name, folder in sorted(record.running().items()):
        seen = record.read(folder)
        if seen is not None:
            _show_line(name, seen, folder)
    return 0


def _check_counts(options: argparse.Namespace) -> None:
    if not 0 < options.compute <= MOST_COMPUTE:
        raise DeployError(f"--compute {options.compute}: from 1 to {MOST_COMPUTE}")


def _check(options: argparse.Namespace, rows: Iterable[description.ServiceDescription], ports: dict[str, int]) -> None:
    """What can be known to be wrong before anything starts."""
    if os.geteuid() != 0:
        raise MachineLacks("the stack as processes makes namespaces and cgroups: run as root")
    require_programs(NEEDED)
    program("slurmlens-hub")
    if options.name in (*record.running(), *containers.names()):
        raise DeployError(f"stack {options.name!r} is up already: give this one another --name, or take that down")
    for service, port in ports.items():
        if (by := _listener(port)) is not None:
            raise DeployError(
                f"port {port} for {service} is taken by {by}: choose another with --port {service}=NUMBER"
            )
    free_mib = shutil.disk_usage(instance.BASE).free // 2**20
    needed_mib = description.free_mib(rows, options.compute)
    if free_mib < needed_mib:
        raise MachineLacks(
            f"{instance.BASE} has {free_mib} MiB free, this stack needs {needed_mib}: leave out services"
        )


def _listener(port: int) -> str | None:
    """Who listens there, in words; None where the port is free."""
    done = subprocess.run(["ss", "-Hltnp", f"sport = :{port}"], capture_output=True, text=True, check=False)
    if done.returncode == 0 and done.stdout.strip():
        return done.stdout.split()[-1] if "users:" in done.stdout else "another program"
    return None


def _ports(words: Iterable[str]) -> dict[str, int]:
    ports = {}
    for word in words:
        service, _, number = word.partition("=")
        if service != "hub" or not number.isdecimal() or not 0 < int(number) < 65_536:
            raise DeployError(f"--port {word!r}: say hub=NUMBER; the others take free ports")
        ports[service] = int(number)
    return ports


def _follow(supervisor: subprocess.Popen[str], folder: Path) -> record.StackRecord | None:
    """Says each service as it comes up; the stack when it is up or has failed."""
    said: set[str] = set()
    began_s = time.monotonic()
    while True:
        seen = record.read(folder)
        for service in seen.services if seen else ():
            if service.state == "up" and service.name not in said:
                said.add(service.name)
                print(f"{time.monotonic() - began_s:5.1f} s  {service.name}", flush=True)
        if seen is not None and seen.phase == "up":
            return seen
        if supervisor.poll() is not None:
            return seen
        time.sleep(POLL_S)


def _not_settled(folder: Path) -> list[str]:
    """Compute nodes that are on their way in, or out with nothing running on them."""
    seen = record.read(folder)
    if seen is None:
        raise DeployError("the stack has ended")
    states = RunningProcesses(folder, seen).run("sinfo", "-hNo", "%N %t")
    busy = {line.split()[0] for line in states.splitlines() if line.split()[1].rstrip("*") in ("drng", "comp")}
    return [
        one.name
        for one in seen.services
        if "-compute" in one.name and (one.state == "starting" or (one.state == "leaving" and one.name not in busy))
    ]


def _logs(folder: Path) -> dict[str, Path]:
    slurm = {f"slurm.{path.stem}": path for path in (folder / "slurm/log").glob("*.log")}
    return {path.stem: path for path in (folder / "log").glob("*.log")} | slurm


def _show(seen: record.StackRecord, proofs: Iterable[Proof]) -> None:
    print(f"stack {seen.name!r}: {seen.phase}")
    restarts = {one.name: one.restarts for one in seen.services if one.restarts}
    for proof in proofs:
        again = f" (started again {restarts[proof.service]} times)" if proof.service in restarts else ""
        print(f"  {'ok ' if proof.is_good else 'BAD'} {proof.service:<11} {proof.said}{again}")
    for one in seen.services:
        if "-compute" in one.name and (one.state != "up" or one.restarts):
            print(f"      {one.name} {one.state}, started again {one.restarts} times {one.said[:200]}")


def _show_line(name: str, seen: record.StackRecord, folder: Path) -> None:
    print(f"{name}  {seen.phase}  compute={len(seen.compute)}  {seen.addresses.get('hub', '')}  {folder}")


def _show_up(name: str, folder: Path, seen: record.StackRecord, began_s: float) -> None:
    print(f"stack {name!r} is up after {time.monotonic() - began_s:.0f} s, everything below {folder}")
    _show_addresses(name, seen)


def _show_addresses(name: str, seen: record.StackRecord) -> None:
    for service, address in seen.addresses.items():
        print(f"  {service:<11} {address}{'/jobs' if service == 'hub' else ''}")
    option = "" if name == "slurmlens" else f" --name {name}"
    print(
        f"next: slurmlens stack status{option}; slurmlens stack scale{option} compute=5; slurmlens stack down{option}"
    )
