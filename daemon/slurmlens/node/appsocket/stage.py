"""The socket itself: takes one message a connection, answers at once, hands on what jobs told.

Owns the two listening sockets (a path, and an abstract name for containers; SOCK_SEQPACKET, so that a message has an
end) and their pace. Invariants: a connection is answered and closed, or closed unanswered after `PATIENCE_S`; there are
never more than `MAX_WAITING` of them; connections are accepted at a bounded pace, and of one user so many a second, so
that a flood costs the daemon a bounded share of a core and other users nothing; everything refused is counted by a
reason from a bounded set. Costs nothing while nobody speaks. Fed by processes of jobs; feeds `accounts`, and every few
seconds the outlet.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from slurmlens.clock import NS_PER_S, Clock, Moment, now
from slurmlens.config.app_socket import AppSocketConfig
from slurmlens.errors import DecodeError, RefusedError
from slurmlens.events import JobMessage, JobProgress, Place, derived_id
from slurmlens.hook_events import StepEvent
from slurmlens.node.appsocket.accounts import JobAccounts, JobNews, SpeakingJob, TokenBucket, ToldMessage
from slurmlens.node.appsocket.peer import cgroups_of, credentials_of
from slurmlens.node.appsocket.steps import step_event
from slurmlens.telemetry.internal import InternalEvent, Reporter
from slurmlens.wire.app_message import MAX_MESSAGE_BYTES, ToldStep, decode
from slurmlens.wire.carbon import own_line, slot_prefix

MODE = 0o666
BACKLOG = 128
PATIENCE_S = 0.5
MAX_WAITING = 256
AT_ONCE = 192
"""More than may wait in the kernel: a turn empties its queue. Whoever waits for a place in a full one is woken when one
is free, and finds it taken by somebody who did not wait, unless there are many."""

MANY = 32
PAUSE_S = 0.04
"""After a turn of many connections none is accepted for so long: a flood costs a tenth of a core."""

USER_RATE_PER_S = 400.0
"""Connections of one user that are answered; more are closed as they come."""

MAX_USERS = 1024
PROGRESS_SERIES = "progress_ratio"
VALUE_SERIES = "progress_value"
ABSTRACT_NAME = "\0slurmlens-app/{node}"

UNAVAILABLE = InternalEvent(
    "app_socket_unavailable", logging.WARNING, "{where}: {cause_text}; jobs cannot report their progress there"
)
REFUSED = InternalEvent(
    "app_messages_refused",
    logging.DEBUG,
    "refused a message of process {pid} of user {uid}: {problem}",
    ("reason",),
)
TAKEN = InternalEvent("app_messages", logging.DEBUG, "job {job_id} sent a message")

Speaker = Callable[[str], tuple[int, str | None] | None]
"""Job id and step of a process by the text of its `/proc/PID/cgroup`."""


class AppSocketDependencies(NamedTuple):
    """What the stage is handed: where it is, whose process a cgroup is, which sighting and slot a running job has, and
    the outlet's two doors, and who is told of steps by hooks."""

    place: Place
    proc: Path
    speaker: Speaker
    running: Callable[[int], SpeakingJob | None]
    send: Callable[[JobProgress | JobMessage], Awaitable[None]]
    send_points: Callable[[bytes, int], Awaitable[None]]
    tell_step: Callable[[StepEvent], None]
    clock: Clock
    reporter: Reporter


class AppSocket:
    """One node's socket for its jobs."""

    def __init__(self, path: Path, limits: AppSocketConfig, given: AppSocketDependencies) -> None:
        self._path = path
        self._limits = limits
        self._given = given
        self._accounts = JobAccounts(limits)
        self._users: dict[int, TokenBucket] = {}
        self._waiting: dict[socket.socket, asyncio.TimerHandle] = {}

    async def run(self) -> None:
        """Serve until cancelled; a socket that cannot be made is reported, and the daemon goes on without."""
        listeners = [one for one in (self._listen_at_path(), self._listen_at_name()) if one is not None]
        if not listeners:
            return
        try:
            async with asyncio.TaskGroup() as group:
                for listener in listeners:
                    group.create_task(self._accept_for_ever(listener))
                group.create_task(self._send_for_ever())
        finally:
            for connection in list(self._waiting):
                self._drop(connection)
            for listener in listeners:
                listener.close()
            with contextlib.suppress(OSError):
                self._path.unlink()

    # --- listening

    def _listen_at_path(self) -> socket.socket | None:
        def bind(listener: socket.socket) -> None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()
            listener.bind(str(self._path))
            os.chmod(self._path, MODE)

        return self._listen(bind, str(self._path))

    def _listen_at_name(self) -> socket.socket | None:
        name = ABSTRACT_NAME.format(node=self._given.place.node)
        return self._listen(lambda listener: listener.bind(name), f"@{name[1:]}")

    def _listen(self, bind: Callable[[socket.socket], None], where: str) -> socket.socket | None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        try:
            bind(listener)
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            self._given.reporter.report(UNAVAILABLE, where=where, cause_text=error.strerror or str(error))
            return None
        return listener

    async def _accept_for_ever(self, listener: socket.socket) -> None:
        while True:
            await _readable(listener)
            accepted = list(_accept_some(listener))
            for connection in accepted:
                self._serve(connection)
            if len(accepted) >= MANY or not accepted:  # none: out of descriptors
                await asyncio.sleep(PAUSE_S)

    # --- one connection

    def _serve(self, connection: socket.socket) -> None:
        """Answers now where the message is there already, as it is nearly always; else waits a little for it."""
        uid, now_ns = credentials_of(connection).uid, self._given.clock.boottime_ns()
        if not self._user(uid, now_ns).take(now_ns):
            self._refuse(connection, RefusedError("more messages than a user may send", reason="rate"))
            connection.close()
        elif self._take(connection):
            connection.close()
        elif len(self._waiting) >= MAX_WAITING:
            self._refuse(connection, RefusedError("too many say nothing", reason="silent"))
            connection.close()
        else:
            loop = asyncio.get_running_loop()
            loop.add_reader(connection, self._arrived, connection)
            self._waiting[connection] = loop.call_later(PATIENCE_S, self._too_late, connection)

    def _arrived(self, connection: socket.socket) -> None:
        if self._take(connection):
            self._drop(connection)

    def _too_late(self, connection: socket.socket) -> None:
        self._refuse(connection, RefusedError("it said nothing", reason="silent"))
        self._drop(connection)

    def _drop(self, connection: socket.socket) -> None:
        self._waiting.pop(connection).cancel()
        asyncio.get_running_loop().remove_reader(connection)
        connection.close()

    def _take(self, connection: socket.socket) -> bool:
        """Whether there was a message; it is answered then."""
        try:
            line, _ancillary, flags, _address = connection.recvmsg(MAX_MESSAGE_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            return True
        try:
            if flags & socket.MSG_TRUNC:
                raise RefusedError(f"more than {MAX_MESSAGE_BYTES} bytes", reason="oversize")
            answer = self._hear(connection, line)
        except (RefusedError, DecodeError) as error:
            answer = self._refuse(connection, error)
        with contextlib.suppress(OSError):
            connection.send(answer)
        return True

    def _hear(self, connection: socket.socket, line: bytes) -> bytes:
        given = self._given
        peer = credentials_of(connection)
        at = now(given.clock)
        speaker = given.speaker(cgroups_of(connection, peer, given.proc))
        if speaker is None:
            raise RefusedError("it is in no job's cgroup", reason="outside")
        job_id, step = speaker
        message = decode(line)
        self._accounts.take(job_id, step, message, at, given.running(job_id))
        if isinstance(message.told, ToldStep):
            given.tell_step(step_event(job_id, step, message.told, given.place, at))
        given.reporter.report(TAKEN, job_id=job_id)
        return f"ok {job_id}.{step or '-'}\n".encode()

    def _refuse(self, connection: socket.socket, error: RefusedError | DecodeError) -> bytes:
        peer = credentials_of(connection)
        self._given.reporter.report(REFUSED, reason=error.reason, pid=peer.pid, uid=peer.uid, problem=str(error))
        return f"no {error.reason}\n".encode()

    def _user(self, uid: int, now_ns: int) -> TokenBucket:
        bucket = self._users.get(uid)
        if bucket is None:
            if len(self._users) >= MAX_USERS:
                self._users.clear()
            bucket = self._users[uid] = TokenBucket(USER_RATE_PER_S, USER_RATE_PER_S, USER_RATE_PER_S, now_ns)
        return bucket

    # --- what was told

    async def _send_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._limits.send_interval_s)
            await self.send_news()

    async def send_news(self) -> None:
        """Hand on what is new: also the last word of a job that has ended meanwhile."""
        at = now(self._given.clock)
        for news in self._accounts.news(at.boottime_ns):
            job = news.job or self._given.running(news.job_id)
            if job is None:
                error = RefusedError(f"job {news.job_id} does not run here", reason="no_sighting")
                self._given.reporter.report(REFUSED, reason=error.reason, pid="?", uid="?", problem=str(error))
                continue
            for message in news.messages:
                await self._given.send(self._message(job.sighting, news.job_id, message))
            if news.tasks:
                await self._given.send(self._progress(job.sighting, news, at))
                await self._send_point(job.slot, news, at)

    async def _send_point(self, slot: int | None, news: JobNews, at: Moment) -> None:
        """The share that is done, of the task that is least far, as a series of the job's slot.

        By a switch the values of the first task that told any, too.
        """
        if slot is None:
            return
        shares = [task.done / task.total for task in news.tasks if task.total]
        told = {PROGRESS_SERIES: min(1.0, *shares)} if shares else {}
        prefix, time_s = slot_prefix(self._given.place.cluster, self._given.place.node, slot), at.wall_ns // NS_PER_S
        lines = [own_line(prefix, name, (), value, time_s) for name, value in told.items()]
        if self._limits.value_series:
            values = next((task.values for task in news.tasks if task.values), {})
            lines += [own_line(prefix, VALUE_SERIES, (name,), value, time_s) for name, value in values.items()]
        if lines:
            await self._given.send_points(b"".join(lines), len(lines))

    def _progress(self, sighting: str, news: JobNews, at: Moment) -> JobProgress:
        place = self._given.place
        return JobProgress(
            id=derived_id(sighting, "job-progress", str(at.boottime_ns)),
            time_ns=at.wall_ns,
            boot_id=place.boot_id,
            boottime_ns=at.boottime_ns,
            cluster=place.cluster,
            node=place.node,
            sighting=sighting,
            job_id=news.job_id,
            tasks=news.tasks,
        )

    def _message(self, sighting: str, job_id: int, told: ToldMessage) -> JobMessage:
        place = self._given.place
        return JobMessage(
            id=derived_id(sighting, "job-message", str(told.at.boottime_ns), told.text),
            time_ns=told.at.wall_ns,
            boot_id=place.boot_id,
            boottime_ns=told.at.boottime_ns,
            cluster=place.cluster,
            node=place.node,
            sighting=sighting,
            job_id=job_id,
            step=told.step,
            rank=told.rank,
            text=told.text,
        )


def _accept_some(listener: socket.socket) -> list[socket.socket]:
    """Those who wait, `AT_ONCE` at most."""
    accepted: list[socket.socket] = []
    with contextlib.suppress(OSError):
        while len(accepted) < AT_ONCE:
            connection, _ = listener.accept()
            connection.setblocking(False)
            accepted.append(connection)
    return accepted


async def _readable(listener: socket.socket) -> None:
    """Until somebody connects; a descriptor in epoll costs nothing until then."""
    loop = asyncio.get_running_loop()
    connected = loop.create_future()

    def stirred() -> None:
        if not connected.done():
            connected.set_result(None)

    loop.add_reader(listener, stirred)
    try:
        await connected
    finally:
        loop.remove_reader(listener)
