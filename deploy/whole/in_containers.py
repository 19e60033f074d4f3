"""`slurmlens stack` for a stack in containers: up, scale, logs, down. Each prints what it did.

What is asked of the engine is `containers.py`'s; what the stack is, `compose.py`'s.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Sequence

from deploy.errors import DeployError
from deploy.hardware import node_shape
from deploy.whole import compose, containers, images, record
from deploy.whole.containers import Engine, RunningContainers
from deploy.whole.description import ServiceDescription
from deploy.whole.proofs import Proof, proof_of

UP_MAX_S = 300.0
SCALED_MAX_S = 120.0
LEFT_MAX_S = 60.0
POLL_S = 1.0


def up(options: argparse.Namespace, rows: Sequence[ServiceDescription]) -> RunningContainers:
    """The stack, when all of it works. Where it does not come up, nothing of it is left but images."""
    if options.name in record.running():
        raise DeployError(f"stack {options.name!r} is up already: give this one another --name, or take that down")
    engine = containers.claim(options.name, options.engine)
    try:
        folder = containers.FOLDERS / options.name
        compose.write(folder, rows, options.compute, node_shape())
        (folder / containers.COMPUTE_FILE).write_text(str(options.compute))
        (folder / containers.SERVICES_FILE).write_text("\n".join(row.name for row in rows))
        images.build([engine.name], folder, lambda words: print(words, flush=True))
        engine.compose_up(folder)
        return _proved(engine, options.name, [row.name for row in rows], options.compute)
    except BaseException as error:
        _remove_after(error, engine, options.name)
        raise


def _remove_after(error: BaseException, engine: Engine, name: str) -> None:
    try:
        containers.remove(engine, name)
    except DeployError as left:
        raise DeployError(f"{error}\nand something of it is left, try `slurmlens stack down`: {left}") from error


def scale(stack: RunningContainers, count: int) -> RunningContainers:
    """So many compute nodes; those that leave are the newest. Their jobs run on, and the next `scale` removes them."""
    (stack.folder / containers.COMPUTE_FILE).write_text(str(count))
    compose.write_file(stack.folder, stack.rows, count)
    stack.engine.scale(stack.folder, count)
    deadline_s = time.monotonic() + LEFT_MAX_S
    while (leaving := stack.engine.remove_left(count)) and time.monotonic() < deadline_s:
        time.sleep(POLL_S)
    if leaving:
        print(f"still at work: {', '.join(leaving)}; the same command removes them when their jobs have ended")
    services = ["compute"] if leaving else ["membership", "compute"]
    return _proved(stack.engine, stack.folder.name, services, count, SCALED_MAX_S)


def logs(stack: RunningContainers, options: argparse.Namespace) -> int:
    """Prints a service's log, or follows it; without a name, which there are."""
    if options.service is None:
        print("\n".join(one.name for one in stack.record.services))
        return 0
    command = ["logs", "--tail", str(options.lines), *(["--follow"] if options.follow else [])]
    try:
        return subprocess.run([stack.engine.name, *command, stack.container(options.service)], check=False).returncode
    except KeyboardInterrupt:
        return 0


def _proved(
    engine: Engine, name: str, services: Sequence[str], compute: int, most_s: float = UP_MAX_S
) -> RunningContainers:
    """The stack as soon as these services work and it has so many nodes; DeployError tells what does not."""
    began_s, waiting = time.monotonic(), list(services)
    while True:
        stack = RunningContainers(containers.FOLDERS / name, engine)
        told = [proof_of(stack, service) for service in waiting]
        for proof in (one for one in told if one.is_good):
            print(f"{time.monotonic() - began_s:5.1f} s  {proof.service}", flush=True)
        waiting = [one.service for one in told if not one.is_good]
        if not waiting and len(stack.nodes) == compute:
            return stack
        if time.monotonic() > began_s + most_s or any(one.said.startswith("given up") for one in told):
            raise DeployError(_problems(told) or f"there are {len(stack.nodes)} compute nodes, not {compute}")
        time.sleep(POLL_S)


def _problems(told: Sequence[Proof]) -> str:
    bad = [f"  {one.service}: {one.said}" for one in told if not one.is_good]
    return "\n".join(["the stack in containers does not work:", *bad]) if bad else ""
