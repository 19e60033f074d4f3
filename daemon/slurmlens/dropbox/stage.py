"""The dropbox as a stage: an endless asynchronous iteration over the hooks' events, each with a token to release it by.

Owns which files are out (taken and not yet released) and the choice of folder. Invariants: every event that was renamed
into the folder is handed on at least once, the oldest first among those that wait; its file stays until `release`, so a
restart tells it again (everything downstream is idempotent by its id); no file, however odd, keeps others from being
told. Fed by `slurm_hooks/` through the file system, feeds `node.registry` through `pipeline.py`.

Works with the folder missing, replaced, mounted over or forbidden: it says so once and looks again.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from pathlib import Path
from typing import Generic, Self

import msgspec

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.dropbox import intake
from slurmlens.dropbox.intake import FileEvent
from slurmlens.dropbox.losses import CONTROLLER_ROLES, ROLES, Losses
from slurmlens.dropbox.watch import DropboxWatch, Stir
from slurmlens.errors import DecodeError
from slurmlens.hook_events import DropboxEvent, StepEvent
from slurmlens.telemetry.internal import InternalEvent, Reporter
from slurmlens.wire import controller_hook
from slurmlens.wire.controller_hook import ControllerEvent, ControllerRole

CHECK_INTERVAL_S = 10.0
"""Between two looks at what no notification tells."""

RETRY_INTERVAL_S = 2.0
"""While there is no folder, or no inotify."""

OPENED = InternalEvent("dropbox_opened", logging.INFO, "{folder}: watching for hook events, {waiting} wait")
UNAVAILABLE = InternalEvent(
    "dropbox_unavailable",
    logging.ERROR,
    "{folder}: {cause_text}. No hook event arrives; jobs are seen through the cgroup tree alone. "
    "Is run-slurmlens-events.mount active, and tmpfiles.d applied?",
)
NO_INOTIFY = InternalEvent(
    "dropbox_without_inotify",
    logging.WARNING,
    "{folder}: inotify is used up (raise fs.inotify.max_user_instances); looking every {interval_s:g} s",
)
OVERFLOWED = InternalEvent(
    "dropbox_overflowed", logging.WARNING, "{folder}: inotify overflowed, the folder is read again"
)
REFUSED = InternalEvent(
    "dropbox_refused", logging.ERROR, "{path}: no usable hook event ({reason}): {problem}; {outcome}", ("reason",)
)
UNREADABLE = InternalEvent("dropbox_unreadable", logging.WARNING, "{path}: {cause_text}; tried again")
UNUSABLE = InternalEvent(
    "dropbox_variable_unusable",
    logging.WARNING,
    "job {job_id}: {variable} cannot be read, taken as not known",
    ("variable",),
)
CUT = InternalEvent(
    "dropbox_variable_cut", logging.WARNING, "job {job_id}: {variables} were too long and are incomplete"
)
OTHER_NODE = InternalEvent(
    "dropbox_other_node",
    logging.WARNING,
    "{path}: of node {other}, this daemon is {node}; left there. Give each NodeName a folder of its own, or set `node`",
)
NOT_RELEASED = InternalEvent(
    "dropbox_not_released", logging.WARNING, "{path}: {cause_text}; sent again after a restart"
)


class Token(msgspec.Struct, frozen=True):
    """Stands for one file that is out."""

    path: Path


class EventFolder(Generic[FileEvent]):
    """`async for event, token in folder`, then `release(token)` once the event is safely onwards.

    `close()` ends it. `base` is the folder of `docs/specs/hook-event.md`, `decode` reads a file that lies there,
    `roles` are the names of counters of lost events. With `node` given, its own folder below is taken
    where there is one, and events of other nodes are left where they are; without it, every event is taken.
    """

    def __init__(
        self,
        base: Path,
        reporter: Reporter,
        clock: Clock,
        decode: intake.Decode[FileEvent],
        roles: tuple[str, ...],
        *,
        node: str | None = None,
        owners: intake.Owners = intake.ROOT_ALONE,
        check_interval_s: float = CHECK_INTERVAL_S,
        retry_interval_s: float = RETRY_INTERVAL_S,
    ) -> None:
        self._decode = decode
        self._base = base
        self._reporter = reporter
        self._clock = clock
        self._node = node
        self._owners = owners
        self._check_interval_s = check_interval_s
        self._retry_interval_s = retry_interval_s
        self._folder = base
        self._watch: DropboxWatch | None = None
        self._ready: deque[str] = deque()
        self._out: set[str] = set()
        self._checked_ns = -1
        self._unavailable: str | None = None
        self._losses = Losses(base.parent / "lost", reporter, clock, roles)

    @property
    def is_open(self) -> bool:
        """Whether the folder is there and watched."""
        return self._watch is not None

    @property
    def is_full(self) -> bool:
        """Whether its file system has no room for one more event: blocks or inodes are used up. False where unknown."""
        try:
            room = os.statvfs(self._folder)
        except OSError:
            return False
        # A file system that counts no inodes (f_files 0) does not run out of them.
        return room.f_bavail == 0 or (room.f_files > 0 and room.f_favail == 0)

    @property
    def out_count(self) -> int:
        """Files that were handed on and are not yet released."""
        return len(self._out)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[FileEvent, Token]:
        while True:
            # A backlog of thousands must not keep the loop from others; before the taking, so that a cancel loses none.
            await asyncio.sleep(0)
            if not self._ready:
                await self._find_more()
                continue
            told = self._take(self._ready.popleft())
            if told is not None:
                return told

    def release(self, token: Token) -> None:
        """The event is safe elsewhere: its file may go. Never raises; releasing twice is harmless."""
        try:
            token.path.unlink(missing_ok=True)
        except OSError as error:
            # Stays out, so that this process does not hand it on twice.
            self._reporter.report(NOT_RELEASED, path=token.path, cause_text=error.strerror)
            return
        self._out.discard(token.path.name)

    def close(self) -> None:
        """Stop watching. Files that are out stay where they are."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        self._ready.clear()

    async def _find_more(self) -> None:
        """Wait until there may be something, and put it into `_ready`."""
        if self._watch is None:
            self._open()
        if self._watch is None:
            await asyncio.sleep(self._retry_interval_s)
        elif not self._ready:
            active = self._watch.active
            self._note(await self._watch.wait(self._check_interval_s if active else self._retry_interval_s))

    def _note(self, stir: Stir) -> None:
        """Take notice of what a wait saw."""
        self._ready.extend(name for name in stir.names if intake.is_event_name(name) and name not in self._out)
        if stir.gone or self._choose_folder() != self._folder:
            self.close()
            return
        if stir.overflowed and self._watch is not None and self._watch.active:
            self._reporter.report(OVERFLOWED, folder=self._folder)
        is_due = self._clock.monotonic_ns() - self._checked_ns >= self._check_interval_s * NS_PER_S
        if not (stir.overflowed or is_due):
            return
        try:
            self._check()
        except OSError:
            self.close()  # opening it again says what is wrong

    def _open(self) -> None:
        """Watch first, then read the folder: what comes in between is seen twice, and taken once."""
        self._folder = self._choose_folder()
        try:
            self._watch = DropboxWatch(self._folder)
            self._check()
        except OSError as error:
            self.close()
            self._say_unavailable(error.strerror or str(error))
            return
        self._unavailable = None
        self._reporter.report(OPENED, folder=self._folder, waiting=len(self._ready))
        if not self._watch.active:
            self._reporter.report(NO_INOTIFY, folder=self._folder, interval_s=self._retry_interval_s)

    def _choose_folder(self) -> Path:
        """As the hook chooses: the node's own where there is one."""
        if self._node is not None and (self._base / self._node).is_dir():
            return self._base / self._node
        return self._base

    def _say_unavailable(self, cause_text: str) -> None:
        if self._unavailable != cause_text:
            self._unavailable = cause_text
            self._reporter.report(UNAVAILABLE, folder=self._folder, cause_text=cause_text)

    def _check(self) -> None:
        """Everything anew: what could not be read, what was lost. Raises OSError where the folder cannot be read."""
        self._checked_ns = self._clock.monotonic_ns()
        # What is out is not handed on again; what is in line already takes its place among the others.
        self._ready = deque(name for name in intake.waiting_names(self._folder) if name not in self._out)
        self._losses.look(self._folder)

    def _take(self, name: str) -> tuple[FileEvent, Token] | None:
        """The event in the file of that name, or None where there is none to tell."""
        path = self._folder / name
        if name in self._out:
            return None
        try:
            event = intake.read_event(path, self._owners, self._decode)
        except DecodeError as error:
            self._refuse(path, error)
            return None
        except FileNotFoundError:
            return None  # someone cleaned up; nothing is lost that we could still have
        except OSError as error:
            # Our trouble, not the file's: the next look at the folder brings it again.
            self._reporter.report(UNREADABLE, path=path, cause_text=error.strerror)
            return None
        if self._node is not None and event.node not in (None, self._node):
            self._out.add(name)
            self._reporter.report(OTHER_NODE, path=path, other=event.node, node=self._node)
            return None
        self._out.add(name)
        self._tell_flaws(event)
        return event, Token(path)

    def _refuse(self, path: Path, refusal: DecodeError) -> None:
        try:
            outcome = intake.set_aside(path)
        except OSError as error:
            self._out.add(path.name)
            outcome = f"left there ({error.strerror})"
        self._reporter.report(REFUSED, path=path, reason=refusal.reason, problem=refusal, outcome=outcome)

    def _tell_flaws(self, event: FileEvent) -> None:
        for variable in event.unusable:
            self._reporter.report(UNUSABLE, job_id=event.job.job_id, variable=variable)
        if not isinstance(event, StepEvent) and event.cut:
            self._reporter.report(CUT, job_id=event.job.job_id, variables=", ".join(event.cut)[:200])


class Dropbox(EventFolder[DropboxEvent]):
    """A node's dropbox, where Prolog, Epilog and the SPANK plugin write, root all of them."""

    def __init__(
        self,
        base: Path,
        reporter: Reporter,
        clock: Clock,
        *,
        node: str | None = None,
        owners: intake.Owners = intake.ROOT_ALONE,
        check_interval_s: float = CHECK_INTERVAL_S,
        retry_interval_s: float = RETRY_INTERVAL_S,
    ) -> None:
        super().__init__(
            base,
            reporter,
            clock,
            intake.decode_node_event,
            ROLES,
            node=node,
            owners=owners,
            check_interval_s=check_interval_s,
            retry_interval_s=retry_interval_s,
        )


class ControllerDropbox(EventFolder[ControllerEvent]):
    """The controller's dropbox, where the hooks of slurmctld write as SlurmUser: `owners` are its uid, and root."""

    def __init__(self, base: Path, owners: frozenset[int], reporter: Reporter, clock: Clock) -> None:
        roles = frozenset(ControllerRole)
        super().__init__(
            base,
            reporter,
            clock,
            controller_hook.decode,
            CONTROLLER_ROLES,
            owners=dict.fromkeys(owners, roles),
        )
