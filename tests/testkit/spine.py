"""The whole road on real parts, for the tests in tests/spine: one stack, jobs submitted together, the hub's answers.

Hooks run under `logged-hook`, which traces the emitter's own writes with strace: so what a hook accepted is known
without asking the emitter, the daemon or the hub.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from deploy.component import start_and_wait
from deploy.sandbox import Sandbox
from deploy.stack import Stack
from deploy.workloads import build

from deploy import slurmlens
from testkit.waiting import until_blocking

POLL_S = 0.2
WROTE_ID = re.compile(r'\\"id\\":\\"([0-9a-f]{32})\\"')
RENAMED = re.compile(r"^rename\w*\(.*\.json.*\) = 0$", re.MULTILINE)


@dataclass
class Spine:
    """A running stack with the workloads in place."""

    stack: Stack
    workloads: str
    hook_log: Path
    destroyed: set[str] = field(default_factory=set)
    """Ids of accepted events that a test took away, as a machine does that loses its memory."""

    def submit(self, script: str, *options: str, user: str = "alice") -> int:
        return self.stack.slurm.submit(script, *options, user=user, env={"WORKLOADS": self.workloads})

    def output(self, job_id: int, user: str = "alice") -> str:
        return (self.stack.sandbox.folder / "home" / user / f"slurm-{job_id}.out").read_text()

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.stack.hub.url + path, timeout=20) as answer:
            return json.load(answer)

    def view(self, job_id: int, run: int | None = None) -> dict[str, Any]:
        """The hub's JobView as JSON; {} while it knows nothing of the job."""
        try:
            found: dict[str, Any] = self.get(f"/jobs/{job_id}{f'/{run}' if run else ''}.json")
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return {}
        return found

    def events(self, job_id: int) -> list[dict[str, Any]]:
        """Every event document that the hub holds of the job, oldest first; [] while it holds none."""
        try:
            found: list[dict[str, Any]] = self.get(f"/jobs/{job_id}/events.json")
        except urllib.error.HTTPError:
            return []
        return found

    def summaries(self, job_id: int) -> list[dict[str, Any]]:
        return [event for event in self.events(job_id) if event["event"]["action"] == "job-summary"]

    def wait(self, what: str, condition: Callable[[], Any], timeout_s: float = 60.0) -> Any:
        """The first true answer of `condition`; fails with `what` when there is none in time."""
        return until_blocking(condition, what, timeout_s, POLL_S)

    def ended_view(self, job_id: int, timeout_s: float = 90.0, run: int | None = None) -> dict[str, Any]:
        """The job's view once it has ended and its figures are in."""

        def settled() -> dict[str, Any] | None:
            view = self.view(job_id, run)
            return view if view.get("phase") == "ended" and not view.get("is_live") else None

        found: dict[str, Any] = self.wait(f"end of job {job_id} on its page", settled, timeout_s)
        return found

    def accepted_ids(self) -> set[str]:
        """Ids of all events that a hook has renamed into a dropbox, by the trace of the hook alone."""
        ids: set[str] = set()
        for trace in self.hook_log.glob("*.trace"):
            text = trace.read_text(errors="replace")
            if RENAMED.search(text):
                ids.update(WROTE_ID.findall(text))
        return ids

    def empty_dropbox(self, node: str) -> None:
        """What waits in the node's dropbox is lost, as in a reboot."""
        folder = f"{slurmlens.DROPBOXES}/{node}"
        lost = self.stack.sandbox.run(["find", folder, "-name", "*.json", "-exec", "cat", "{}", "+"]).stdout
        self.destroyed.update(event["id"] for event in map(json.loads, lost.splitlines()))
        self.stack.sandbox.run(["find", folder, "-type", "f", "-delete"])


@contextmanager
def spine(*, nodes: int = 3, hooks: bool = True, extra_conf: str = "", with_plugin: bool = False) -> Iterator[Spine]:
    """Everything started; `hooks=False` is stage 0: a slurm.conf that knows nothing of us."""
    with Sandbox() as sandbox:
        log = sandbox.make_folder("hook-log")
        chosen = partial(logged_hooks, log=log) if hooks else no_hooks
        stack = Stack(sandbox, nodes=nodes, extra_conf=extra_conf, hooks=chosen, with_plugin=with_plugin)
        stack.start_slurm()
        stack.start_carbon()
        stack.start_hub()
        stack.start_nodes()
        try:
            yield Spine(stack, str(build.build(sandbox)), log)
        finally:
            stack.stop()


def no_hooks(_: Sandbox) -> tuple[None, None]:
    """Stage 0."""
    return None, None


def logged_hooks(sandbox: Sandbox, log: Path) -> tuple[Path, Path]:
    """Prolog and Epilog that run ours under strace, one trace file each time."""
    wrapped = []
    for hook in slurmlens.hooks(sandbox):
        script = hook.with_name(f"logged-{hook.name}")
        script.write_text(
            f"#!/bin/sh\nexec /usr/bin/strace -s 400 -e trace=write,rename,renameat,renameat2 "
            f"-o {log}/{hook.name}.$$.trace {hook}\n"
        )
        script.chmod(0o755)
        wrapped.append(script)
    return wrapped[0], wrapped[1]


def restart(spine_: Spine, node: str) -> None:
    """Starts the node's daemon again after it was stopped."""
    start_and_wait(spine_.stack.nodes[node])


@dataclass(frozen=True)
class Jobs:
    """Job ids of the shared jobs by what they are there to show."""

    requeued: int
    timeout: int
    short: int
    mpi: int
    failed: int
    memory: int
    cancelled: int
    array: int
    pending_cancelled: int
    hostile: int
