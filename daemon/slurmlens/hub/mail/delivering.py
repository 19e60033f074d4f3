"""The stage that delivers queued mail, one after the other.

Owns its loop and what is told of it. SMTP blocks, so it is spoken in a thread. A server that is away costs a pause of
the mail that met it; a mail that is refused for ever fails alone.
"""

from __future__ import annotations

import asyncio
import logging

from slurmlens.config.notices import MailConfig
from slurmlens.errors import DecodeError
from slurmlens.hub.mail import smtp
from slurmlens.hub.mail.message import mime_message
from slurmlens.hub.mail.queue import MailQueue, MailState, QueuedMail
from slurmlens.telemetry.internal import InternalEvent, Reporter

MAIL_SENT = InternalEvent("mail_sent", logging.INFO, "mail {number} was taken by the server")
MAIL_WAITS = InternalEvent("mail_waits", logging.WARNING, "mail {number} waits: {problem}")
MAIL_FAILED = InternalEvent("mail_failed", logging.ERROR, "mail {number} was not sent and will not be: {problem}")

LOOK_EVERY_S = 30.0


class MailDelivery:
    """The stage of mail for one hub."""

    def __init__(self, queue: MailQueue, settings: MailConfig, reporter: Reporter) -> None:
        self._queue = queue
        self._settings = settings
        self._reporter = reporter

    async def run(self) -> None:
        """A stage: delivers what is due, for ever."""
        while True:
            await self._queue.give_up_doubtful()
            has_more = await self.step()
            while has_more:
                has_more = await self.step()
            await asyncio.sleep(LOOK_EVERY_S)

    async def step(self) -> bool:
        """Tries one mail; False where none is due."""
        queued = await self._queue.claim()
        if queued is None:
            return False
        state, problem = await asyncio.to_thread(self._send, queued)
        state = await self._queue.settle(queued, state, problem)
        told = {MailState.SENT: MAIL_SENT, MailState.WAITING: MAIL_WAITS}.get(state, MAIL_FAILED)
        self._reporter.report(told, number=queued.number, problem=problem or "")
        return True

    def _send(self, queued: QueuedMail) -> tuple[MailState, str | None]:
        try:
            message = mime_message(queued.mail, queued.number, queued.queued_ns, self._settings.sender)
            smtp.send(message, self._settings)
        except DecodeError as error:
            return MailState.FAILED, str(error)
        except smtp.MailError as error:
            if error.is_unknown:
                return MailState.IN_DOUBT, str(error)
            return (MailState.WAITING if error.retriable else MailState.FAILED), str(error)
        return MailState.SENT, None
