"""The ways by which a notice leaves: a webhook, a mail. One function each.

Owns what is sent and which failures are worth another try. A webhook is a POST of JSON to a host that the settings
allow, redirects are not followed; a mail is plain text. DeliveryError where it may be taken later, RefusedError where
it never will be. Used by `stage`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import SplitResult, urlsplit

import aiohttp

from slurmlens.config.notices import MailConfig, NoticesConfig
from slurmlens.errors import DecodeError, DeliveryError, RefusedError
from slurmlens.hub.mail import smtp
from slurmlens.hub.mail.message import Mail, mime_message
from slurmlens.hub.notices.facts import KeptNotice, NoticeChannel
from slurmlens.shown.text import visible

TIMEOUT_S = 20.0
_MAIL_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,64}(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,64})*"
    r"@(?!-)[A-Za-z0-9-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*"
)
"""A dot-atom at a host's name (RFC 5321 4.1.2): what more mail allows, programs read in different ways."""
Send = Callable[[KeptNotice], Awaitable[None]]


def channels_for(config: NoticesConfig) -> Mapping[NoticeChannel, Send]:
    """Those that the settings have."""
    channels: dict[NoticeChannel, Send] = {}
    if config.webhook_hosts:
        channels[NoticeChannel.WEBHOOK] = lambda kept: post(config.webhook_hosts, kept)
    if (mail := config.mail) is not None:
        channels[NoticeChannel.MAIL] = lambda kept: asyncio.to_thread(send_mail, mail, kept)
    return channels


def address_problem(config: NoticesConfig, channel: NoticeChannel, address: str) -> str | None:
    """Why nothing can be sent there; None where it can."""
    if channel is NoticeChannel.MAIL:
        if config.mail is None:
            return "this hub sends no mail"
        is_one = len(address) <= 254 and _MAIL_ADDRESS.fullmatch(address) and "=?" not in address
        return None if is_one else f"{address[:40]!r} is no mail address"
    if not config.webhook_hosts:
        return "this hub calls no webhooks"
    parts = _web_address(address)
    if parts is None:
        return f"{address[:40]!r} is no address of a webhook: it begins with https://"
    if not _is_allowed(parts, config.webhook_hosts) or parts.username is not None:
        return f"webhooks may be at {', '.join(config.webhook_hosts)}, not at {parts.netloc.rpartition('@')[2][:60]}"
    return None


def _is_allowed(parts: SplitResult, hosts: tuple[str, ...]) -> bool:
    """A host by its name allows the ports of the web alone; any other port is named with it."""
    name = parts.hostname or ""
    return (name in hosts and parts.port in (None, 80, 443)) or f"{name}:{parts.port}" in hosts


def _web_address(address: str) -> SplitResult | None:
    """Its parts; None where it is none. Printable ASCII alone: every program reads the same host and port in it."""
    if len(address) > 1000 or not address.isascii() or not address.isprintable() or " " in address or "\\" in address:
        return None
    try:
        parts = urlsplit(address)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets without an address in them, a port that is none
        return None
    return parts if is_one else None


async def post(hosts: tuple[str, ...], kept: KeptNotice) -> None:
    """Hands the notice to a webhook; `text` is what chat servers show."""
    one = kept.notice
    if not _is_allowed(urlsplit(one.address), hosts):
        raise RefusedError("its host is not allowed any more", reason="host")
    document = {"text": one.text, "subject": one.subject, "kind": one.kind.value, "job_id": one.job_id, "run": one.run}
    try:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as client,
            client.post(one.address, json=document, allow_redirects=False) as answer,
        ):
            status = answer.status
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise DeliveryError(f"no answer: {visible(str(error) or type(error).__name__)}", reason="away") from error
    if status in (408, 425, 429) or status >= 500:
        raise DeliveryError(f"it answered {status}", reason="busy")
    if not 200 <= status < 300:
        raise RefusedError(f"it answered {status}", reason="refused")


def send_mail(config: MailConfig, kept: KeptNotice) -> None:
    """Hands the notice to the mail server; waits for it."""
    one = kept.notice
    number = f"{one.job_id}.{one.run}.{one.kind.value}.{kept.made_ns}"
    mail = Mail(to=one.address, subject=one.subject, text=one.text + "\n")
    try:
        smtp.send(mime_message(mail, number, kept.made_ns, config.sender), config)
    except DecodeError as error:
        raise RefusedError(str(error), reason="refused") from error
    except smtp.MailError as error:
        if error.retriable or error.is_unknown:
            raise
        raise RefusedError(str(error), reason="refused") from error
