"""How a program fares, in Consul's three words and one sentence.

Sans-IO. The sentence holds no figures that change by themselves: Consul writes each new one to its log on every server.
Fed by the pipelines; sent by `registration`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from slurmlens.runtime.supervisor import StageState

PASSING = "passing"
WARNING = "warning"
CRITICAL = "critical"


class Health(msgspec.Struct, frozen=True):
    """`status` is one of Consul's words, `text` says why."""

    status: str
    text: str


def judge(stages: Mapping[str, StageState], troubles: Iterable[str], *, vital: frozenset[str]) -> Health:
    """Critical where a vital stage is down, warning where another is or where `troubles` tell of something."""
    down = sorted(name for name, state in stages.items() if not state.running and state.last_error)
    told = [*(f"stage {name} is down" for name in down), *sorted(troubles)]
    if vital.intersection(down):
        return Health(CRITICAL, "; ".join(told))
    return Health(WARNING, "; ".join(told)) if told else Health(PASSING, "all stages run")
