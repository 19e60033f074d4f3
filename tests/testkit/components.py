"""The real servers for whoever asks: one of each per session, in one sandbox, or a private one to be tormented.

A plugin of tests/conftest.py. A session's server is shared: a test uses names of its own in it (a topic, a series, an
event id) and leaves it running. A test that stops, kills or pauses takes `private(Kafka)`: such a server comes back on
its port with its data by `start_and_wait`. When a test failed, the servers' logs are below tests/artifacts/logs.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from deploy.component import Service, start_and_wait
from deploy.components.carbon_c_relay import CarbonCRelay
from deploy.components.consul import Consul
from deploy.components.go_carbon import GoCarbon
from deploy.components.kafka import Kafka
from deploy.components.lumber import Lumber
from deploy.components.neo4j import Neo4j
from deploy.components.opensearch import OpenSearch
from deploy.components.postgresql import PostgreSql
from deploy.errors import MachineLacks
from deploy.sandbox import Sandbox

from testkit.checkout import ROOT

LOGS = ROOT / "tests" / "artifacts/logs"
SHARED = "shared"

Server = TypeVar("Server", bound=Service)


@pytest.fixture(scope="session")
def component_sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """The namespace in which the session's servers run; they are gone when it, or pytest, ends."""
    try:
        sandbox = Sandbox()
        sandbox.start()
    except MachineLacks as error:
        pytest.skip(str(error))
    try:
        yield sandbox
        if request.session.testsfailed:
            keep_logs(sandbox, SHARED)
    finally:
        sandbox.stop()


@pytest.fixture(scope="session")
def lumber(component_sandbox: Sandbox) -> Iterator[Lumber]:
    """A Beats v2 receiver without TLS."""
    with running(Lumber(component_sandbox)) as server:
        yield server


@pytest.fixture(scope="session")
def kafka(component_sandbox: Sandbox) -> Iterator[Kafka]:
    """A broker; a test makes the topics it wants."""
    with running(Kafka(component_sandbox)) as server:
        yield server


@pytest.fixture(scope="session")
def opensearch(component_sandbox: Sandbox) -> Iterator[OpenSearch]:
    """A search server; a test has indices of its own."""
    with running(OpenSearch(component_sandbox)) as server:
        yield server


@pytest.fixture(scope="session")
def carbon_c_relay(component_sandbox: Sandbox) -> Iterator[CarbonCRelay]:
    """A relay that appends what it takes to a file."""
    with running(CarbonCRelay(component_sandbox)) as server:
        yield server


@pytest.fixture(scope="session")
def consul(component_sandbox: Sandbox) -> Iterator[Consul]:
    """An agent that is its own server, with data on disk."""
    with running(Consul(component_sandbox)) as server:
        yield server


@pytest.fixture(scope="session")
def go_carbon(component_sandbox: Sandbox) -> Iterator[GoCarbon]:
    """A store that keeps a point a second of the product's series."""
    with running(GoCarbon(component_sandbox)) as server:
        yield server


@pytest.fixture(scope="session")
def neo4j(component_sandbox: Sandbox) -> Iterator[Neo4j]:
    """A graph database; a test has a cluster of its own in it."""
    with running(Neo4j(component_sandbox)) as server:
        yield server


@pytest.fixture(scope="session")
def postgresql(component_sandbox: Sandbox) -> Iterator[PostgreSql]:
    """A database server; a test makes the database it wants."""
    with running_made(PostgreSql, component_sandbox) as server:
        yield server


@contextmanager
def running_made(make: Callable[[Sandbox], Server], sandbox: Sandbox) -> Iterator[Server]:
    """The same for a server that finds out when it is made what the machine lacks."""
    try:
        server = make(sandbox)
    except MachineLacks as error:
        pytest.skip(str(error))
    with running(server):
        yield server


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """The server, ready; a machine that cannot have it skips the test with the reason."""
    try:
        start_and_wait(server)
        yield server
    except MachineLacks as error:
        pytest.skip(str(error))
    finally:
        server.stop()


@contextmanager
def private(make: Callable[[Sandbox], Server], *keep: Path) -> Iterator[Server]:
    """A server of the test's own, which it may `kill`, `pause`, `resume`, `stop` and start again.

    `make` is the component's class, or a function for one with options; `keep` as for Sandbox.
    """
    try:
        sandbox = Sandbox(keep=keep)
        sandbox.start()
    except MachineLacks as error:
        pytest.skip(str(error))
    try:
        server = make(sandbox)
        try:
            with running(server):
                yield server
        except BaseException:
            keep_logs(sandbox, server.name)
            raise
    finally:
        sandbox.stop()


def keep_logs(sandbox: Sandbox, name: str) -> None:
    """Copies what the sandbox's servers said to where a sandbox's end does not remove it."""
    shutil.copytree(sandbox.folder / "log", LOGS / f"{name}-{sandbox.identity}", dirs_exist_ok=True)
