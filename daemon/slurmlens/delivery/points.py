"""Delivers the points of a program that has no spool: from a bounded queue in memory, by the sinks that all others use.

Owns the queue and the deliveries of one program's receivers of metrics. Fed by whoever makes points (`put`, which never
waits); its stages run under that program's supervisor. A program that is killed loses what waits: whoever wants more
sends its points to a relay, which keeps them on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from slurmlens.clock import Clock
from slurmlens.config.node import BatchConfig
from slurmlens.config.shared import ReplayConfig
from slurmlens.config.sinks import CarbonSinkConfig, SinksConfig
from slurmlens.delivery.batches import Batch, Stream
from slurmlens.delivery.deliveries import Deliveries
from slurmlens.delivery.receivers import Receiver, SinkDependencies, receivers
from slurmlens.delivery.spool.memory_queue import MemoryQueue
from slurmlens.delivery.status import SinkStatus
from slurmlens.runtime.endpoint import Endpoint
from slurmlens.runtime.supervisor import Stage
from slurmlens.telemetry.internal import Reporter

INTERVALS_KEPT = 360
"""What waits for carbon; whoever wants more sends the points to a relay, which has a disk."""
RESEND_S = 20.0
LONGEST_WAIT_S = 30.0
Find = Callable[[str, str, int], Endpoint]


class PointDelivery:
    """Holds at most `most_batches` for receivers that are away."""

    def __init__(
        self,
        receivers: Sequence[Receiver],
        most_batches: int,
        clock: Clock,
        reporter: Reporter,
        replay: ReplayConfig | None = None,
    ) -> None:
        self._clock = clock
        self._queue = MemoryQueue(Stream.METRICS, (one.sink.name for one in receivers), most_batches, clock, reporter)
        self._deliveries = Deliveries(receivers, self._queue, replay or ReplayConfig(), reporter, clock)

    def put(self, payload: bytes, count: int) -> None:
        """Takes `count` lines of carbon plaintext; they leave when their receivers take them."""
        if count:
            self._queue.put(Batch(Stream.METRICS, payload, count, self._clock.monotonic_ns()))

    def stages(self) -> Iterator[tuple[str, Stage]]:
        """What a supervisor is to run, by name."""
        return self._deliveries.stages()

    def sink_statuses(self) -> tuple[SinkStatus, ...]:
        """How each sink fares, now."""
        return self._deliveries.statuses()

    def tell_backlog(self) -> None:
        """Says what has not arrived at the end of the program."""
        self._deliveries.tell_backlog()


def carbon_points(
    host: str, port: int, name: str, find: Find | None, clock: Clock, reporter: Reporter
) -> PointDelivery:
    """Points to carbon at that address, or where `find` finds it; `name` is whose points these are."""
    carbon = CarbonSinkConfig(host=host, port=port, resend_window_s=RESEND_S, backoff_max_s=LONGEST_WAIT_S)
    dependencies = SinkDependencies(
        node=name,
        batch=BatchConfig(),
        reporter=reporter,
        clock=clock,
        on_profile_interval=lambda interval_s: None,
        find=find,
    )
    return PointDelivery(receivers(SinksConfig(carbon=carbon), dependencies), INTERVALS_KEPT, clock, reporter)
