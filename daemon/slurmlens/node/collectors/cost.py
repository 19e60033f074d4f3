"""What each collector costs, and what follows from it: it is stretched, then switched off by itself.

Owns one collector's measured cost and its state. Sans-IO: told what a reading cost. A collector whose mean cost is
above its share of a core is read in every 2nd, 4th … round; one that is above it at `LONGEST_STRETCH`, or that keeps
failing, is off for `REST_ROUNDS` rounds and is then tried again. Used by `collecting`.
"""

from slurmlens.clock import NS_PER_S

LONGEST_STRETCH = 16
FAILURES_MAX = 5
REST_ROUNDS = 60
_COST_MEMORY = 0.3
"""Weight of the newest reading in the running mean."""


class CollectorCost:
    """One collector's account."""

    __slots__ = ("_due", "failures", "last_error", "last_s", "mean_s", "off", "reads", "stretch")

    def __init__(self) -> None:
        self.mean_s = 0.0
        self.last_s = 0.0
        self.reads = 0
        self.failures = 0
        """In a row."""
        self.last_error = ""
        self.stretch = 1
        self.off = ""
        """Why it is off; "" while it is on."""
        self._due = 0

    def is_due(self, round_number: int) -> bool:
        """Whether it is to be read in this round; the end of a rest switches it on again."""
        if round_number < self._due:
            return False
        if self.off:
            self.off, self.failures, self.reads = "", 0, 0
        return True

    def spent(self, cost_ns: int, interval_s: float, budget_share: float, round_number: int) -> None:
        """A reading cost this much CPU; `budget_share` is of one core."""
        self.last_s = cost_ns / NS_PER_S
        self.mean_s = self.last_s if not self.reads else self.mean_s + _COST_MEMORY * (self.last_s - self.mean_s)
        self.reads += 1
        allowed_s = budget_share * interval_s
        self.stretch = 1
        while self.mean_s > allowed_s * self.stretch and self.stretch < LONGEST_STRETCH:
            self.stretch *= 2
        self._due = round_number + self.stretch
        if self.reads > 2 and self.mean_s > allowed_s * LONGEST_STRETCH:
            self._rest("cost", round_number)

    def failed(self, error: Exception, round_number: int) -> None:
        """It could not make sense of what it read."""
        self.failures += 1
        self.last_error = f"{type(error).__name__}: {error}"[:200]
        self._due = round_number + 1
        if self.failures >= FAILURES_MAX:
            self._rest("failures", round_number)

    def succeeded(self) -> None:
        """It told what there is."""
        self.failures = 0
        self.last_error = ""

    def _rest(self, why: str, round_number: int) -> None:
        self.off = why
        self._due = round_number + REST_ROUNDS
