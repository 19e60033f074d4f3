"""A round over all collectors of a machine: what they tell, what each cost, what failed.

Owns the collectors that are on, their memories, counters and costs. Called by one thread alone (`worker`). Invariants:
what a collector raises spoils its own figures alone; at most `devices_max` devices of a collector have figures; a
collector whose files are not there is looked for again every `LOOK_AGAIN_ROUNDS` rounds. Feeds `stage`.
"""

import importlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain

from slurmlens.config.collectors import CollectorsConfig
from slurmlens.node.collectors.cost import CollectorCost
from slurmlens.node.collectors.files import FileSystemSpace, KeptFiles
from slurmlens.node.collectors.look import MachineLook, Sample
from slurmlens.node.collectors.rates import NodeFigure, Rates
from slurmlens.node.collectors.table import COLLECTORS, CollectorRow
from slurmlens.node.sampler.rest import NO_REST, Rest

LOOK_AGAIN_ROUNDS = 30
MOST_SAMPLES = 20_000
"""Of one collector in a round: whatever a machine has, a round ends."""

Read = Callable[[MachineLook], Iterable[Sample]]


class Collecting:
    """The collectors of one machine. `now_cpu_ns` is this thread's CPU time; `rest` is taken between two collectors,
    so that none of them holds a CPU for long."""

    def __init__(
        self,
        config: CollectorsConfig,
        files: KeptFiles,
        now_cpu_ns: Callable[[], int] = time.thread_time_ns,
        rows: Collection[CollectorRow] = COLLECTORS,
        rest: Rest = NO_REST,
    ) -> None:
        self._config = config
        self._rest = rest
        self._files = files
        self._now_cpu_ns = now_cpu_ns
        self._rows = [row for row in rows if row.name not in config.without]
        self._found: dict[str, tuple[Read, MachineLook, Rates]] = {}
        self.costs: dict[str, CollectorCost] = {}
        self._round = 0
        self.current = ""
        """The collector that is read now; "" between two rounds."""
        self.left_out: dict[str, int] = {}
        """Of how many devices of a collector nothing is told, because there are too many."""

    def round(self, now_ns: int, remote: dict[str, FileSystemSpace | None]) -> list[NodeFigure]:
        """All figures of the round at boottime `now_ns`; `remote` is what is known of the network's file systems."""
        if self._round % LOOK_AGAIN_ROUNDS == 0:
            self._find()
        found: list[NodeFigure] = []
        for name, (read, look, rates) in self._found.items():
            if self.costs[name].is_due(self._round):
                self.current = name
                look.remote = remote
                found += self._taken(name, read, look, rates, now_ns)
                self._rest()
        self.current = ""
        self._files.sweep()
        self._round += 1
        return found

    def close(self) -> None:
        """Give all descriptors back."""
        self._files.close()

    def _find(self) -> None:
        for row in self._rows:
            if row.name not in self._found and any(self._files.exists(path) for path in row.needs):
                module = importlib.import_module(f"{__package__}.{row.name}")  # late: ADR 19
                self._found[row.name] = (module.read, MachineLook(self._files), Rates())
                self.costs[row.name] = CollectorCost()

    def _taken(self, name: str, read: Read, look: MachineLook, rates: Rates, now_ns: int) -> list[NodeFigure]:
        cost, began_ns = self.costs[name], self._now_cpu_ns()
        try:
            samples = list(self._bounded(name, read(look)))
            figures = rates.figures(name, samples, now_ns)
        except Exception as error:
            cost.failed(error, self._round)
            return []
        cost.succeeded()
        cost.spent(self._now_cpu_ns() - began_ns, self._config.interval_s, self._config.budget_share, self._round)
        return figures

    def _bounded(self, name: str, samples: Iterable[Sample]) -> Iterator[Sample]:
        """Those of the first `devices_max` devices."""
        told: set[str] = set()
        left_out: set[str] = set()
        for _, sample in zip(range(MOST_SAMPLES), chain(samples), strict=False):
            if not sample.of or sample.of in told or len(told) < self._config.devices_max:
                told.add(sample.of)
                yield sample
            else:
                left_out.add(sample.of)
        self.left_out[name] = len(left_out)
