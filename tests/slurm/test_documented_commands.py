"""The commands of the documentation, each typed on a real small Slurm with a hub and a daemon, by who may."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from deploy.errors import MachineLacks
from deploy.sandbox import PATH, Sandbox
from deploy.slurmlens import PROGRAMS, RULES
from deploy.stack import Stack

from testkit.checkout import ROOT
from testkit.documented_commands import RUN, Typed
from testkit.waiting import until_blocking

pytestmark = pytest.mark.slurm

PATIENCE_S = 90.0
MAIL = """
[notices.mail]
host = "127.0.0.1"
security = "none"
"""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """One node, on which a job of alice's has completed and one has failed."""
    try:
        with Sandbox() as sandbox:
            stack = Stack(sandbox, nodes=1, rules=RULES + MAIL)
            try:
                stack.start_slurm()
                stack.start_hub()
                stack.start_nodes()
                shutil.copytree(ROOT / "examples/block-size", sandbox.folder / "case")
                sandbox.run(["chown", "-R", "alice", str(sandbox.folder / "case")])
                for script in ("sleep 1", "exit 3"):
                    job = stack.slurm.submit(script)
                    stack.slurm.wait(job)
                    until_blocking(lambda job=job: _is_shown_ended(stack, job), f"job {job} is shown", PATIENCE_S)
                yield stack
            finally:
                stack.stop()
    except MachineLacks as error:
        pytest.skip(str(error))


def _is_shown_ended(stack: Stack, job: int) -> bool:
    done = _type(stack, f"slurmlens job {job} --json", "root")
    return done[0] == 0 and '"phase":"ended"' in done[1].replace(" ", "")


def _type(stack: Stack, command: str, user: str, *, in_job: bool = False) -> tuple[int, str]:
    argv = ["sh", "-c", command]
    environment = {"SLURMLENS_HUB": stack.hub.url, "PATH": f"{PROGRAMS}:{PATH}"}
    home = stack.sandbox.folder / "home" / user if user != "root" else "/"
    argv = ["srun", "-n1", "--mem=50", *argv] if in_job else argv
    done = stack.sandbox.run(argv, user=user, env=environment, cwd=home, check=False, timeout_s=90)
    return done.returncode, done.stdout + done.stderr


def _filled(stack: Stack, text: str) -> str:
    daemon = next(iter(stack.nodes.values()))
    places = {
        "{node}": daemon.node,
        "{toml}": f"{daemon.folder}/node.toml",
        "{socket}": f"{daemon.folder}/run/status.sock",
        "{hub_toml}": f"{stack.sandbox.folder}/hub/hub.toml",
        "{folder}": str(stack.sandbox.folder),
        "{root}": str(ROOT),
    }
    for name, place in places.items():
        text = text.replace(name, place)
    return text


def _typed(documented: str) -> Typed:
    """With the command that is typed."""
    typed = RUN[documented]
    return typed._replace(command=typed.command or documented)


@pytest.fixture(scope="module")
def answers(stack: Stack) -> dict[Typed, tuple[int, str]]:
    """How each ended and what it said; two at a time, for most of what a command takes is its start."""
    every = list(dict.fromkeys(map(_typed, RUN)))

    def answer(typed: Typed) -> tuple[int, str]:
        return _type(stack, _filled(stack, typed.command), typed.user, in_job=typed.in_job)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(every, pool.map(answer, every), strict=True))


@pytest.mark.parametrize("documented", RUN)
def test_a_command_of_the_documentation_does_what_its_page_says(
    stack: Stack, answers: dict[Typed, tuple[int, str]], documented: str
) -> None:
    typed = _typed(documented)
    status, said = answers[typed]
    assert status in typed.statuses, f"{typed.command}: {status}\n{said[-1500:]}"
    assert _filled(stack, typed.says) in said, f"{typed.command}\n{said[-1500:]}"
    assert "Traceback" not in said
