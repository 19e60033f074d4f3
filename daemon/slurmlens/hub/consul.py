"""Consul as the hub uses it: shows the hub as a service, finds its carbon, keeps the job keys of 2015.

Puts the parts of `discovery` together and remembers over a restart what was found. Hears in `news` which jobs and
partitions changed. Imported only where `[consul]` is in the settings. Made by `pipeline`; its stages run under the
hub's supervisor, once the port is bound.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from slurmlens import __version__
from slurmlens.clock import Clock
from slurmlens.config.consul import HubConsulConfig
from slurmlens.config.hub import HubConfig
from slurmlens.discovery.finder import Finder
from slurmlens.discovery.health import Health, judge
from slurmlens.discovery.job_keeper import JobKeeper, LookUp
from slurmlens.discovery.memory import MemoryFile
from slurmlens.discovery.registration import Registration, Service
from slurmlens.hub.news import ClusterReceived, Missed, News, RunsChanged, Subscription
from slurmlens.runtime.endpoint import Endpoint, text_of
from slurmlens.runtime.supervisor import StageState
from slurmlens.telemetry.internal import Reporter

Stage = tuple[str, Callable[[], Awaitable[None]]]

MOST_JOBS_WAITING = 20_000
VITAL_STAGES = frozenset({"refresh"})
"""Without it nothing that comes in is ever shown."""


class HubConsul:
    """The hub in Consul's eyes; `port` is asked when the hub registers: it is bound then.

    `stages` are the hub's own, by which its health is judged, as it is by `silent_since_ns`, which answers None while
    the scheduler does.
    """

    def __init__(
        self,
        config: HubConfig,
        consul: HubConsulConfig,
        port: Callable[[], int | None],
        stages: Mapping[str, StageState],
        silent_since_ns: Callable[[], int | None],
        look_up: LookUp,
        news: News,
        reporter: Reporter,
        clock: Clock,
    ) -> None:
        self._config = config
        self._consul = consul
        self._port = port
        self._hub_stages = stages
        self._silent_since_ns = silent_since_ns
        memory = MemoryFile(config.runtime_path / "consul.json", reporter)
        self._finder = Finder(consul, consul.find, f"{config.cluster}/hub", memory, reporter, clock)
        self._registration = Registration(consul, self._service, self._health, reporter) if consul.register else None
        self._keeper = JobKeeper(consul, config.cluster, look_up, reporter, clock) if consul.job_keys else None
        self._heard: Subscription | None = None
        if consul.job_keys:
            self._heard = news.subscribe(RunsChanged, ClusterReceived, most_waiting=MOST_JOBS_WAITING)

    def endpoint(self, sink: str, host: str, port: int) -> Endpoint:
        """Where the receiver `sink` is: found by its service where one is named, else where the settings say."""
        return self._finder.endpoint(sink, host, port)

    @property
    def stages(self) -> list[Stage]:
        """What runs for as long as the hub does; ask when all endpoints have been asked for."""
        stages: list[Stage] = [(f"consul {watch.name}", watch.run) for watch in self._finder.watches]
        if self._registration is not None:
            stages.append(("consul registration", self._registration.run))
        return stages

    @property
    def led_stages(self) -> list[Stage]:
        """What one hub of several does for all: it keeps the keys of jobs."""
        if self._keeper is None:
            return []
        return [("consul job keys", self._keeper.run), ("consul news", self._hear)]

    async def _hear(self) -> None:
        """A stage: hands on what changed; the latest is looked up when it is written."""
        if self._heard is None or self._keeper is None:
            return
        async for fact in self._heard:
            if isinstance(fact, RunsChanged):
                self._keeper.news_of((fact.job_id,))
            elif isinstance(fact, ClusterReceived) and fact.answer.partitions is not None:
                self._keeper.take_partitions(fact.answer.partitions.records, fact.answer.nodes.records)
            elif isinstance(fact, Missed):
                self._keeper.look_at_all()

    def _health(self) -> Health:
        silent = [] if self._silent_since_ns() is None else ["the scheduler does not answer"]
        return judge(self._hub_stages, silent, vital=VITAL_STAGES)

    def status(self) -> dict[str, object]:
        """How it fares, for /status.json."""
        registration = None if self._registration is None else msgspec.to_builtins(self._registration.state)
        found = {sink: list(map(text_of, where.addresses())) for sink, where in self._finder.found.items()}
        return {"url": self._consul.url, "registration": registration, "found": found}

    def _service(self) -> Service:
        address = self._consul.told_address(self._config.listen.host, self._consul.address_told)
        return Service(
            # its own, also beside others of the cluster that share an agent: one that stops takes only itself away
            id=f"{self._consul.service}-{self._config.cluster}-{socket.gethostname()}-{self._port()}",
            name=self._consul.service,
            function=f"takes the events of the nodes of {self._config.cluster}, and shows their jobs",
            tags=(self._config.cluster,),
            meta={"cluster": self._config.cluster, "version": __version__},
            address=address,
            port=self._port(),
        )
