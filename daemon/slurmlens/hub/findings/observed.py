"""What detectors and known problems look at: typed, whole, made before they are asked. Pure.

Owns the types of the inputs. `stage` fills them from news, history and log lines; case files of known problems fill the
same ones (`problems.cases`). A gap in a course is None, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from slurmlens.hub.inventory.runs import PlacedRun
from slurmlens.hub.node_states.facts import NodeCourse, OutsidersTold
from slurmlens.slurm.records import JobState


class LoggedEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A log line that was understood: its kind and fields (`slurm.log_kinds`, `slurm.kernel_lines`), and its words."""

    time_ns: int
    node: str
    kind: str
    job_id: int | None = None
    user: str | None = None
    fields: dict[str, str | int] = {}
    text: str = ""
    count: int = 1


class NodeLoad(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One node's part in a run. `cpu` is busy cores by interval, aligned with those of the run's other nodes."""

    node: str
    cores: float | None = None
    cpu: tuple[float | None, ...] = ()
    cpu_s: float | None = None
    memory_peak_bytes: float | None = None
    memory_limit_bytes: float | None = None
    memory: tuple[float | None, ...] = ()
    oom_kills: int | None = None
    pressure_memory_ratio: float | None = None
    pressure_io_ratio: float | None = None
    pids_peak: int | None = None


class GpuLoad(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One GPU of a run, as its node told it last; `name` is its address on the bus."""

    node: str
    name: str
    told_ns: int
    seen_s: float = 0.0
    busy_s: float = 0.0
    idle_s: float = 0.0
    processes: int = 0
    is_shared: bool = False


class RunLoad(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run that runs, or ended lately, with what its nodes measured, in intervals of `width_s` from `start_ns` on."""

    run: PlacedRun
    width_s: float = 60.0
    start_ns: int = 0
    nodes: tuple[NodeLoad, ...] = ()
    exit_code: int | None = None
    exit_signal: int | None = None
    limit_s: float | None = None
    gpus: tuple[GpuLoad, ...] = ()

    @property
    def is_running(self) -> bool:
        return self.run.end_ns is None and not self.run.state.has_ended

    @property
    def cores(self) -> float:
        """Of all its nodes that told."""
        return sum(node.cores or 0.0 for node in self.nodes)


class NodeMakeup(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A node as the scheduler has it: state in its words (`IDLE+DRAIN`), reason, and what it is made of."""

    node: str
    state: str | None = None
    reason: str | None = None
    group: str = ""
    attributes: dict[str, str | int] = {}

    def with_state(self, state: str) -> NodeMakeup:
        """The same node in another state."""
        return msgspec.structs.replace(self, state=state)


class RateKey(NamedTuple):
    """Events of one kind on one node."""

    node: str
    kind: str


class Exposure(NamedTuple):
    """How many events there were in how many seconds before the window that is judged."""

    events: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Everything at one moment. `runs` ended within the last day; `events` are of the last hours, the oldest first;
    `rates` what was usual before them; `noise` how far sound nodes of one job are apart, by metric, relative;
    `outsiders` who uses nodes without having been given them; `courses` how some nodes fare now and
    fared at this time of the day before."""

    now_ns: int
    runs: tuple[PlacedRun, ...] = ()
    loads: tuple[RunLoad, ...] = ()
    events: tuple[LoggedEvent, ...] = ()
    rates: Mapping[RateKey, Exposure] = field(default_factory=dict)
    nodes: Mapping[str, NodeMakeup] = field(default_factory=dict)
    noise: Mapping[str, float] = field(default_factory=dict)
    outsiders: tuple[OutsidersTold, ...] = ()
    courses: tuple[NodeCourse, ...] = ()


FAILED = JobState.FAILED, JobState.NODE_FAIL
"""What may be a node's fault. A job that passed its own memory or time limit says nothing of the node it was on."""
