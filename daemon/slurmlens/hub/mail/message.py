"""A mail as it is queued, and as it goes over the wire: pure.

Owns `Mail` and the making of its MIME message. The message is made of the mail and when it was queued alone, so that
another attempt sends the same bytes under the same Message-ID. Headers are written by the standard library's policy,
which refuses a line break in any of them.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.errors import DecodeError
from slurmlens.shown.text import visible

SUBJECT_LENGTH = 200


class Attachment(msgspec.Struct, frozen=True):
    """A file that goes along; `content_type` as `text/csv`."""

    name: str
    content_type: str
    body: bytes


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be said to whom. `html` says the same as `text` for readers that show it."""

    to: str
    subject: str
    text: str
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()


def mail_id(*parts: str) -> str:
    """An id of what a mail is about: the same thing said to the same person has the same id."""
    whole = hashlib.blake2b(digest_size=16)
    for part in parts:
        whole.update(len(part.encode()).to_bytes(4, "big") + part.encode())
    return whole.hexdigest()


def mime_message(mail: Mail, number: str, queued_ns: int, sender: str) -> EmailMessage:
    """The mail as it is sent; DecodeError where an address or the subject cannot stand in a header, or the text
    cannot be written."""
    message = EmailMessage(policy=SMTP)
    try:
        message["From"] = sender
        message["To"] = mail.to
        message["Subject"] = visible(mail.subject)[:SUBJECT_LENGTH]
        message["Date"] = datetime.fromtimestamp(queued_ns // NS_PER_S, UTC)
        message["Message-ID"] = f"<{number}@{sender.rpartition('@')[2].strip('<> ') or 'slurmlens'}>"
        message.set_content(mail.text)
    except (ValueError, IndexError) as error:  # a half of a surrogate pair among them
        raise DecodeError(f"no mail to {visible(mail.to)[:80]!r}: {error}") from error
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence note answers it
    if mail.html is not None:
        message.add_alternative(mail.html, subtype="html")
    for one in mail.attachments:
        main, _, sub = one.content_type.partition("/")
        message.add_attachment(one.body, maintype=main, subtype=sub, filename=one.name)
    if message.is_multipart():
        message.set_boundary(f"=_{number}")
        for place, part in enumerate(message.walk()):
            if place and part.is_multipart():
                part.set_boundary(f"=_{number}_{place}")
    return message
