"""Which answers of which release of Slurm can be believed, and in which form they are asked for.

Owns that table, filled from recordings (`tests/fixtures/slurm`, each with its README) and from the field tables of
Slurm's data_parser plugins. Nothing is told from the shape of an answer: the release that answers says which shape its
answer has, and a shape that it does not have is not known. Pure. Read by `source` and by `json_records`.

Why a row differs from the one above it:

* before 22.05 squeue's JSON is not recorded, so the queue comes as text (20.11 has none at all);
* sacct's JSON tells wrong exit codes before 23.11 (0 for exit 42, -127 with a signal): its text tells true ones;
* scontrol knows no JSON before 23.02;
* partitions come without their flags and, at first, without their state in JSON before 26.05 (data_parser v0.0.39 to
  v0.0.44 skip the flags), so which one is the default only the text says;
* squeue's exit codes are wait statuses before 23.11, plain numbers in 22.05 and wrapped in 23.02; objects since.
"""

from __future__ import annotations

import enum
from typing import NamedTuple


class Form(enum.Enum):
    """How a question is asked."""

    TEXT = "text"
    JSON = "json"


class ExitShape(enum.Enum):
    """How squeue's JSON tells an exit: as wait(2) does, or as an object with return_code and signal."""

    WAIT_STATUS = "wait-status"
    OBJECT = "object"


class Release(NamedTuple):
    """Slurm's release, (23, 2) for 23.02."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor:02}"


class Answers(NamedTuple):
    """What one release is asked, and what its answers look like."""

    queue: Form
    accounting: Form
    nodes: Form
    partitions: Form
    queue_exit: ExitShape


_TEXT, _JSON = Form.TEXT, Form.JSON

_SINCE = (
    (Release(26, 5), Answers(_JSON, _JSON, _JSON, _JSON, ExitShape.OBJECT)),
    (Release(23, 11), Answers(_JSON, _JSON, _JSON, _TEXT, ExitShape.OBJECT)),
    (Release(23, 2), Answers(_JSON, _TEXT, _JSON, _TEXT, ExitShape.WAIT_STATUS)),
    (Release(22, 5), Answers(_JSON, _TEXT, _TEXT, _TEXT, ExitShape.WAIT_STATUS)),
    (Release(0, 0), Answers(_TEXT, _TEXT, _TEXT, _TEXT, ExitShape.WAIT_STATUS)),
)

NEWEST = _SINCE[0][0]
"""The newest release of which answers were recorded."""


def answers_of(release: tuple[int, int]) -> Answers:
    """What a release is asked; one that is newer than all we know counts as the newest."""
    return next(answers for since, answers in _SINCE if release >= since)
