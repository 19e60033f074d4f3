"""`slurmlens campaign run` that kills itself: SIGKILL before or after the N-th step that leaves a trace.

Steps are an event's commit, the writing of a run's folder, and each command of Slurm; with `within` it dies while a
command runs, which goes on without it, as after a kill of the controller alone. Run as a program: STEP WHEN arguments
of the command. Prints nothing; ends by SIGKILL, or with the command's status where N is beyond the last step (then 0).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from slurmlens.campaign import session
from slurmlens.campaign.journal import Journal
from slurmlens.campaign.scheduler import CampaignScheduler
from slurmlens.cli import main


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(step: int, when: str) -> None:
    """Count steps and die at the N-th."""
    passed = [0]

    def mortal(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            passed[0] += 1
            due = passed[0] == step
            if due and when == "before":
                die()
            if due and when == "within":
                run = subprocess.run
                subprocess.run = _started_and_left  # type: ignore[assignment]
                try:
                    result = call(*arguments, **named)
                finally:
                    subprocess.run = run
                die()  # a step that is no command: it has happened by now
                return result
            result = call(*arguments, **named)
            if due:
                die()
            return result

        return wrapped

    Journal.append = mortal(Journal.append)  # type: ignore[method-assign]
    session.lay_out = mortal(session.lay_out)
    for name in ("submit_held", "release", "find", "end", "queue"):
        setattr(CampaignScheduler, name, mortal(getattr(CampaignScheduler, name)))


def _started_and_left(arguments: Any, **named: Any) -> Any:
    subprocess.Popen(arguments, env=named.get("env"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    die()


if __name__ == "__main__":
    arm(int(sys.argv[1]), sys.argv[2])
    sys.exit(main.main(sys.argv[3:]))
