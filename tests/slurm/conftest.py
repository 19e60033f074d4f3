"""A real small Slurm for whoever asks, started once a session; a machine that lacks something skips with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from deploy.carbon import Carbon
from deploy.errors import MachineLacks
from deploy.sandbox import Sandbox
from deploy.slurm import SmallSlurm
from deploy.slurm import small_slurm as started_slurm


@pytest.fixture(scope="session")
def small_slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallSlurm]:
    """Three nodes without hooks; pytest's temporary folders are visible inside."""
    with ExitStack() as stack:
        try:
            slurm = stack.enter_context(started_slurm(keep=[tmp_path_factory.getbasetemp()]))
        except MachineLacks as error:
            pytest.skip(str(error))
        yield slurm


@pytest.fixture(scope="session")
def carbon() -> Iterator[Carbon]:
    """carbon-cache and graphite-web that keep a point a second, on the loopback address."""
    with ExitStack() as stack:
        try:
            service = Carbon(stack.enter_context(Sandbox()), fast_interval_s=1, slow_interval_s=5)
        except MachineLacks as error:
            pytest.skip(str(error))
        service.start()
        yield service
        service.stop()
