"""Turns an optimiser that calls a function into one that is asked and told: it runs in a thread that blocks on answers.

Owns the hand-over. Invariant: thread and caller never run at the same moment, so the course of things is that of one
thread: `ask` returns only when the solver waits for answers or is at its end. Used by the adapters to scipy and
OpenMDAO.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from slurmlens.campaign.optimisers import Evaluation
from slurmlens.campaign.space import Parameters, Space
from slurmlens.errors import CampaignError


class _Closed(BaseException):
    """Ends the solver from within its function; no library catches it by accident."""


class Blocking:
    """`solve(evaluate)` is the library's call; `evaluate` takes unit-cube points and gives their answers."""

    def __init__(
        self, space: Space, solve: Callable[[Callable[[Sequence[Sequence[float]]], list[Evaluation]]], None]
    ) -> None:
        self._space = space
        self._solve = solve
        self._wanted: list[Parameters] = []
        self._answers: dict[int, Evaluation] = {}
        self._asked = 0
        self._batch: range = range(0)
        self._closed = False
        self._failure: BaseException | None = None
        self._solver_turn = threading.Semaphore(0)
        self._caller_turn = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, name="optimiser", daemon=True)
        self._over = False
        self._started = False

    def ask(self) -> Parameters | None:
        """The next point that the solver waits for."""
        self._start()
        if not self._wanted:
            return None
        self._asked += 1
        return self._wanted.pop(0)

    def tell(self, number: int, answer: Evaluation) -> None:
        """The answer to an ask; the last one of what the solver waits for lets it go on."""
        self._answers[number] = answer
        if not self._wanted and all(one in self._answers for one in self._batch) and not self._over:
            self._solver_turn.release()
            self._wait()

    @property
    def finished(self) -> bool:
        """Whether the solver has returned."""
        self._start()
        return self._over

    def close(self) -> None:
        """End the solver's thread."""
        if self._started and not self._over:
            self._closed = True
            self._solver_turn.release()
            self._thread.join(10)
        self._over = True

    def _start(self) -> None:
        if not self._started and not self._over:
            self._started = True
            self._thread.start()
            self._wait()

    def _wait(self) -> None:
        self._caller_turn.acquire()
        if self._failure is not None:
            raise CampaignError(f"the optimiser failed: {self._failure}") from self._failure

    def _run(self) -> None:
        try:
            self._solve(self._evaluate)
        except _Closed:
            pass
        except Exception as error:  # whatever the library raises is told where it is asked
            self._failure = error
        self._over = True
        self._caller_turn.release()

    def _evaluate(self, points: Sequence[Sequence[float]]) -> list[Evaluation]:
        if self._closed:
            raise _Closed
        first = self._asked + len(self._wanted)
        self._wanted = [self._space.decode([min(1.0, max(0.0, float(unit))) for unit in point]) for point in points]
        self._batch = range(first, first + len(points))
        self._caller_turn.release()
        self._solver_turn.acquire()
        if self._closed:
            raise _Closed
        return [self._answers.pop(number) for number in self._batch]
