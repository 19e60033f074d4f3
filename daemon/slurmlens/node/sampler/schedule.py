"""When what is read: aligned ticks, dense looks at the young, one second for whom somebody asked.

Owns the plan of the sampler's reads and its cost budget. Sans-IO: handed the time, says what is due and how long to
wait. Ticks fall on wall-clock multiples of the interval, so that all nodes of a job disturb it at the same moment and
their points lie in the same bins; every `slow_every`-th multiple also reads the costly files. A young job is read after
20, 50, 100, 200, 400 ms and so on: the pause grows with its age until the regular interval has caught up, so the unseen
tail of a short job is a fraction of its life. A sampler that costs more than its budget leaves out ticks until it does
not.
"""

from __future__ import annotations

import heapq

import msgspec

from slurmlens.clock import NS_PER_S, Moment, next_whole_ns

MS = 1_000_000
FIRST_LOOKS_MS = (20, 50, 100, 200, 400)
LONGEST_THINNING = 8
_COST_MEMORY = 0.2
"""Weight of the newest tick in the running mean of its cost."""


class Due(msgspec.Struct, frozen=True):
    """What is to be read now. `tick_ns` is the aligned wall time of a regular tick, None between two."""

    tick_ns: int | None
    slow: bool
    young: tuple[int, ...]

    def __bool__(self) -> bool:
        return self.tick_ns is not None or bool(self.young)


class Cost(msgspec.Struct, frozen=True):
    """What sampling costs, and whether it keeps its budget; all shares of one core."""

    share: float
    budget_share: float
    last_tick_s: float
    longest_tick_s: float
    thinning: int
    ticks: int
    missed_ticks: int


class Schedule:
    """The plan for one node; numbers are the registry's."""

    def __init__(self, interval_s: float, slow_every: int, budget_share: float, now: Moment) -> None:
        self._interval_ns = round(interval_s * NS_PER_S)
        self._slow_every = slow_every
        self._budget_share = budget_share
        self._next_tick_ns = self._after(now.wall_ns)
        self._births: dict[int, int] = {}
        self._looks: list[tuple[int, int]] = []
        self._next_look: dict[int, int] = {}
        self._watched_closely: dict[int, tuple[int, int]] = {}
        self._thinning = 1
        self._is_silent = False
        self._mean_cost_ns = 0.0
        self._last_cost_ns = 0
        self._longest_cost_ns = 0
        self._ticks = 0
        self._missed = 0

    @property
    def interval_s(self) -> float:
        """Between two regular ticks now, thinning included."""
        return self._interval_ns * self._thinning / NS_PER_S

    def retime(self, interval_s: float, budget_share: float, now: Moment) -> None:
        """Tick at another interval, within another budget, from now on."""
        self._budget_share = budget_share
        if self._interval_ns != round(interval_s * NS_PER_S):
            self._interval_ns = round(interval_s * NS_PER_S)
            self._thinning = 1
            self._next_tick_ns = self._after(now.wall_ns)

    def silence(self, is_silent: bool, now: Moment) -> None:
        """Nothing is due from now on, or again what the plan says; ticks of the time between are not missed ones."""
        if self._is_silent and not is_silent:
            self._next_tick_ns = self._after(now.wall_ns)
        self._is_silent = is_silent

    def born(self, number: int, at_ns: int) -> None:
        """A cgroup appeared at boottime `at_ns`: look at it densely while it is young."""
        self._births[number] = at_ns
        self._plan_look(number, at_ns)

    def look_closely(self, number: int, interval_s: float, now_ns: int, until_ns: int) -> None:
        """Somebody asked for `interval_s` for this one, from now until boottime `until_ns`."""
        self._watched_closely[number] = (round(interval_s * NS_PER_S), until_ns)
        self._plan_look(number, now_ns)

    def forget(self, number: int) -> None:
        """It is gone; what is planned for it falls away by itself."""
        self._births.pop(number, None)
        self._watched_closely.pop(number, None)
        self._next_look.pop(number, None)

    def due(self, now: Moment) -> Due:
        """What is to be read at `now`; each plan is returned once."""
        if self._is_silent:
            return Due(None, False, ())
        young = self._take_looks(now.boottime_ns)
        tick_ns, slow = self._take_tick(now.wall_ns)
        return Due(tick_ns, slow, () if tick_ns is not None else young)

    def wait_ns(self, now: Moment) -> int:
        """How long until something is due; 0 where it is already."""
        if self._is_silent:
            return NS_PER_S
        until_tick = self._next_tick_ns - now.wall_ns
        if self._interval_ns * 2 * self._thinning < until_tick:
            # The wall clock was set back: the old plan lies too far ahead.
            self._next_tick_ns = self._after(now.wall_ns)
            until_tick = self._next_tick_ns - now.wall_ns
        if self._looks:
            until_tick = min(until_tick, self._looks[0][0] - now.boottime_ns)
        return max(0, until_tick)

    def spent(self, cost_ns: int) -> None:
        """A regular tick took `cost_ns` of CPU: adapt to the budget."""
        self._ticks += 1
        self._last_cost_ns = cost_ns
        self._longest_cost_ns = max(self._longest_cost_ns, cost_ns)
        first = self._ticks == 1
        self._mean_cost_ns += (cost_ns - self._mean_cost_ns) * (1.0 if first else _COST_MEMORY)
        if self._share() > self._budget_share and self._thinning < LONGEST_THINNING:
            self._thinning *= 2
        elif self._thinning > 1 and self._share() < self._budget_share / 4:
            self._thinning //= 2

    def cost(self) -> Cost:
        """The account of the sampler itself."""
        return Cost(
            share=self._share(),
            budget_share=self._budget_share,
            last_tick_s=self._last_cost_ns / NS_PER_S,
            longest_tick_s=self._longest_cost_ns / NS_PER_S,
            thinning=self._thinning,
            ticks=self._ticks,
            missed_ticks=self._missed,
        )

    def _share(self) -> float:
        return self._mean_cost_ns / (self._interval_ns * self._thinning)

    def _after(self, wall_ns: int) -> int:
        return next_whole_ns(wall_ns, self._interval_ns)

    def _take_tick(self, wall_ns: int) -> tuple[int | None, bool]:
        if wall_ns < self._next_tick_ns:
            return None, False
        planned_ns = self._next_tick_ns
        tick_ns = wall_ns // self._interval_ns * self._interval_ns
        self._next_tick_ns = self._next_multiple(tick_ns)
        skipped = (tick_ns - planned_ns) // (self._interval_ns * self._thinning)
        self._missed += skipped
        slow_ns = self._interval_ns * self._slow_every
        return tick_ns, tick_ns // slow_ns != (planned_ns - self._interval_ns * self._thinning) // slow_ns

    def _next_multiple(self, tick_ns: int) -> int:
        step_ns = self._interval_ns * self._thinning
        return (tick_ns // step_ns + 1) * step_ns

    def _take_looks(self, boottime_ns: int) -> tuple[int, ...]:
        found: list[int] = []
        while self._looks and self._looks[0][0] <= boottime_ns:
            look_ns, number = heapq.heappop(self._looks)
            if self._next_look.get(number) == look_ns:
                found.append(number)
                self._plan_look(number, boottime_ns)
        return tuple(found)

    def _plan_look(self, number: int, now_ns: int) -> None:
        """The next look at one cgroup; none once the regular ticks come as often by themselves."""
        pauses = [pause for pause in (self._young_pause(number, now_ns), self._asked_pause(number, now_ns)) if pause]
        self._next_look.pop(number, None)
        if pauses:
            look_ns = now_ns + min(pauses)
            self._next_look[number] = look_ns
            heapq.heappush(self._looks, (look_ns, number))

    def _young_pause(self, number: int, now_ns: int) -> int | None:
        born_ns = self._births.get(number)
        if born_ns is None:
            return None
        age_ns = now_ns - born_ns
        for look_ms in FIRST_LOOKS_MS:
            if age_ns < look_ms * MS:
                return look_ms * MS - age_ns
        if age_ns < self._interval_ns:
            return age_ns
        del self._births[number]
        return None

    def _asked_pause(self, number: int, now_ns: int) -> int | None:
        pause_ns, until_ns = self._watched_closely.get(number, (0, 0))
        if now_ns < until_ns:
            return pause_ns
        self._watched_closely.pop(number, None)
        return None
