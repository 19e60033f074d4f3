"""What a job asks for by SLURMLENS_NOTIFY is mailed to a real SMTP server, once, while the job of a real Slurm runs."""

from __future__ import annotations

import asyncio
import email
import threading
from collections import Counter
from collections.abc import Iterator
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP
from deploy.component import start_and_wait
from deploy.errors import MachineLacks
from deploy.sandbox import Sandbox
from deploy.slurmlens import program
from deploy.stack import Stack

from testkit.waiting import until_blocking

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

PATIENCE_S = 240.0
TO = "alice@example.org"
STEPS = "for i in $(seq 8); do {command} progress --strict $i/{total}; sleep 1; done"


class Box:
    """A server's handler; keeps what was taken: whom it is for, and the subject."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
        message = email.message_from_bytes(envelope.content, policy=default)
        self.taken.append((envelope.rcpt_tos[0], str(message["Subject"])))
        return "250 taken"


@pytest.fixture(scope="module")
def box() -> Iterator[tuple[Box, int]]:
    """A box, and the port of the server that fills it."""
    box, ports, is_up = Box(), list[int](), threading.Event()
    stopping: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        stopping.append((loop, stop))
        server = await loop.create_server(lambda: SMTP(box, loop=loop), "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        is_up.set()
        await stop.wait()
        server.close()
        await server.wait_closed()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert is_up.wait(PATIENCE_S)
    yield box, ports[0]
    loop, stop = stopping[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join()


@pytest.fixture(scope="module")
def stack(box: tuple[Box, int]) -> Iterator[Stack]:
    """Two nodes with all hooks and the plugin, and a hub that sends mail."""
    server = f'[notices.mail]\nhost = "127.0.0.1"\nport = {box[1]}\nsecurity = "none"\nsender = "hub@example.org"\n'
    try:
        with Sandbox() as sandbox:
            stack = Stack(sandbox, nodes=2, with_plugin=True, rules=server)
            try:
                stack.start_slurm()
                stack.start_hub()
                stack.start_nodes()
                yield stack
            finally:
                stack.stop()
    except MachineLacks as error:
        pytest.skip(str(error))


def _asking(stack: Stack, kind: str, script: str, *options: str) -> int:
    """A job that wants to be told of this kind."""
    return stack.slurm.submit(
        script, "--mem=50", f"--job-name={kind}", *options, env={"SLURMLENS_NOTIFY": f"{kind},{TO}"}
    )


@pytest.mark.timeout(600)
def test_a_stall_a_limit_that_will_be_missed_and_an_end_are_mailed_once(stack: Stack, box: tuple[Box, int]) -> None:
    command = program("slurmlens")
    told = [STEPS.format(command=command, total=total) for total in (8000, 100)]
    jobs = {
        "limit": _asking(stack, "limit", f"{told[0]}; sleep 20", "--time=2"),
        "stalled": _asking(stack, "stalled", f"{told[1]}; sleep 150", "--time=10"),
        "ended": _asking(stack, "ended", "srun -n1 true"),
    }
    taken = box[0].taken

    def arrived(kind: str) -> list[str]:
        return [subject for to, subject in taken if to == TO and subject.startswith(f"job {jobs[kind]} ({kind}): ")]

    for kind in jobs:
        until_blocking(lambda kind=kind: arrived(kind), f"the mail of {kind}; {taken}", PATIENCE_S, poll_s=0.2)
    stack.hub.stop()
    start_and_wait(stack.hub)
    last = _asking(stack, "failed", "exit 3")
    until_blocking(lambda: f"job {last} " in str(taken), f"the mail of a later job; {taken}", PATIENCE_S, poll_s=0.2)
    assert Counter(subject.split(":")[0] for _, subject in taken) == {
        f"job {job} ({kind})": 1 for kind, job in (jobs | {"failed": last}).items()
    }
    assert "no progress for" in arrived("stalled")[0]
    assert "COMPLETED" in arrived("ended")[0].upper()
