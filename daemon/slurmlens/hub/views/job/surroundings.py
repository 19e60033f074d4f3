"""What the rooms beside history know of one run: the second half of what its view is made of.

Pure data. Filled by `web.job_reading`, which asks the rooms; a room that is off leaves its part empty. Read by `build`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from slurmlens.hub.controller_hooks.facts import ControllerWord
from slurmlens.hub.findings.claims import Finding
from slurmlens.hub.history.facts import EarlierRun
from slurmlens.hub.inventory.questions.memberships import Membership
from slurmlens.hub.logs.query import StoredLine
from slurmlens.hub.node_states.facts import JobGpu, NodeCourse
from slurmlens.hub.progress.facts import JobProgressFacts
from slurmlens.hub.workflows.trigger import Trigger


class RunSurroundings(msgspec.Struct, frozen=True, kw_only=True):
    """Of one run, as one viewer may see it."""

    progress: JobProgressFacts | None = None
    """What its own processes reported."""
    lines: Sequence[StoredLine] = ()
    """What was logged about it and is marked on its time line."""
    findings: Sequence[Finding] = ()
    """Those that touched it."""
    triggers: Sequence[Trigger] = ()
    """The workflows that it started."""
    gpus: Sequence[JobGpu] = ()
    """What nodes told of its GPUs."""
    memberships: Sequence[Membership] = ()
    """What its partition, user and nodes hung together with when it began."""
    controller: Sequence[ControllerWord] = ()
    """What slurmctld's hooks told."""
    earlier: Sequence[EarlierRun] = ()
    """The user's runs of the same job before."""
    node_courses: Sequence[NodeCourse] = ()
    """How its nodes themselves fared in its time."""
