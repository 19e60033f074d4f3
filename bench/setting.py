"""What all cases of one run share: the tree of jobs, the receivers, a folder, how long a case may take.

Owns their lives: made when a case first asks, gone when the run ends. Made by `run`, handed to every `measure`.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.node_daemon import DaemonShape, NodeDaemon
from bench.programs import program
from bench.receivers import Receivers
from bench.tree import Tree

JOB_COUNT = 200
BURST_TASKS = 10_000


class Setting:
    """One run of the benchmark; a context manager."""

    def __init__(
        self, quick: bool, soak_minutes: int = 0, long_history: Path | None = None, burst_tasks: int = BURST_TASKS
    ) -> None:
        self.quick = quick
        self.soak_minutes = soak_minutes
        self.burst_tasks = burst_tasks
        self.long_history = long_history
        self.documents: dict[str, str] = {}
        """Further pages of a case, by file name; written beside the table."""
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def choose(self, full: int, quick: int) -> int:
        """A number of rounds or seconds: `quick` with --quick."""
        return quick if self.quick else full

    def new_folder(self) -> Path:
        """An empty folder, for sockets too: its path is short. Removed at the end."""
        return Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="lensbench")))

    @cached_property
    def tree(self) -> Tree:
        return self._stack.enter_context(Tree(program("worker"), JOB_COUNT))

    @cached_property
    def receivers(self) -> Receivers:
        return self._stack.enter_context(Receivers())

    @cached_property
    def idle_node(self) -> str:
        """A NodeName without any cgroup: a daemon of that name has no job."""
        return f"{self.tree.node}idle"

    def daemon(self, shape: DaemonShape) -> NodeDaemon:
        """A daemon on this run's receivers, with folders of its own."""
        return NodeDaemon(shape, self.new_folder(), self.receivers)
