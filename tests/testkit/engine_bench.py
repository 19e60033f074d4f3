"""The sampler's engine on a recorded tree that moves, driven as the pipeline does."""

from __future__ import annotations

from slurmlens.cgroup.reader import CgroupReader
from slurmlens.clock import NS_PER_S, Moment
from slurmlens.events import StepTotals
from slurmlens.node.sampler.engine import Engine
from slurmlens.node.sampler.orders import EngineSettings, Finished, JobOrder, StepOrder
from testkit.manual_clock import ManualClock
from testkit.moving_tree import MovingTree


class Bench:
    """An engine, its tree and its clock; jobs are started as Slurm does and watched as the pipeline does."""

    def __init__(self, tree: MovingTree, clock: ManualClock, **settings: object) -> None:
        self.tree, self.clock = tree, clock
        known: dict[str, object] = {
            "cluster": "demo",
            "node": tree.node,
            "proc_root": tree.root / "proc",
            "interval_s": 10.0,
            "slow_every": 6,
            "slots": 2,
            "max_points": 240,
            "memory_limit_bytes": 1 << 23,
        }
        self.failures: list[str] = []
        self.engine = Engine(
            EngineSettings(**(known | settings)),  # type: ignore[arg-type]
            CgroupReader(),
            self.now(),
            lambda reason, _: self.failures.append(reason),
        )
        self.lines = b""

    def now(self) -> Moment:
        return Moment(self.clock.wall_ns(), self.clock.boottime_ns())

    def start(self, job_id: int, *steps: str, slot: int | None = 0, newborn: bool = True, uid: int = 2000) -> None:
        self.tree.start_job(job_id, uid=uid, steps=steps)
        self.watch(job_id, *steps, slot=slot, newborn=newborn)

    def watch(
        self,
        job_id: int,
        *steps: str,
        slot: int | None = 0,
        newborn: bool = True,
        from_zero: bool = True,
        earlier_steps: tuple[StepTotals, ...] = (),
    ) -> None:
        self.engine.watch(
            JobOrder(
                number=job_id,
                job_id=job_id,
                slot=slot,
                name=f"job_{job_id}",
                place=self.tree.job_place(job_id),
                parent=self.tree.parent_place(job_id),
                newborn=newborn,
                from_zero=from_zero,
                earlier_steps=earlier_steps,
            ),
            self.now(),
        )
        for step in steps:
            self.watch_step(job_id, step, newborn=newborn)

    def watch_step(self, job_id: int, step: str, *, newborn: bool = True) -> None:
        name = f"job_{job_id}/{step}"
        place = self.tree.step_place(job_id, step)
        self.engine.watch_step(StepOrder(number=job_id, name=name, step=step, place=place, newborn=newborn), self.now())

    def pass_time(self, seconds: float) -> None:
        """Time passes; everything that falls due meanwhile is read."""
        end_ns = self.clock.boottime_ns() + round(seconds * NS_PER_S)
        schedule = self.engine.schedule
        while self.clock.boottime_ns() + schedule.wait_ns(self.now()) <= end_ns:
            self.clock.advance(schedule.wait_ns(self.now()) / NS_PER_S)
            due = schedule.due(self.now())
            if due:
                self.lines += self.engine.run(due, self.now()).payload
        self.clock.advance((end_ns - self.clock.boottime_ns()) / NS_PER_S)

    def end(self, job_id: int, *steps: str) -> None:
        self.tree.end_job(job_id)
        for step in steps:
            self.engine.unwatch(f"job_{job_id}/{step}", self.now())
        self.engine.unwatch(f"job_{job_id}", self.now())

    def finish(self, job_id: int) -> Finished:
        finished = self.engine.finish(job_id, self.now())
        assert finished is not None
        self.lines += finished.lines.payload
        return finished

    def points(self, metric: str, slot: int = 0) -> list[tuple[int, float]]:
        """(timestamp, value) of one series."""
        path = f"slurm.demo.nodes.{self.tree.node}.slots.{slot}.{metric} "
        lines = [line.split() for line in self.lines.decode().splitlines() if line.startswith(path)]
        return [(int(time), float(value)) for _, value, time in lines]
