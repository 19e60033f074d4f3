"""Slurm's commands run inside a small Slurm's sandbox, as the hub's source runs them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from deploy.slurm import SmallSlurm

from slurmlens.errors import SourceError
from slurmlens.slurm.command import Answer
from slurmlens.slurm.pieces import Pieces


class Inside:
    """Runs Slurm's commands in the instance's namespace, with the environment that the source made."""

    def __init__(self, slurm: SmallSlurm) -> None:
        self._slurm = slurm

    async def __call__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        timeout_s: float,
        read: Callable[[Pieces], Answer],
    ) -> Answer:
        named = [f"{name}={value}" for name, value in environment.items()]
        argv = ["env", "-i", *named, *arguments]
        run = await asyncio.to_thread(self._slurm.sandbox.run, argv, check=False, timeout_s=timeout_s)
        if run.returncode:
            raise SourceError(run.stderr[-200:])
        return read([run.stdout.encode()])
