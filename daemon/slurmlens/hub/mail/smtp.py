"""Hands one message to an SMTP server: the one module that knows smtplib.

Owns the connection, its encryption and the translation of what servers answer. It blocks, so it is called in a thread.
`MailError.retriable` says whether another attempt may help; `is_unknown`, that the connection broke after the message
was sent and before it was acknowledged: it may have arrived.
"""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage

from slurmlens.config.notices import MailConfig
from slurmlens.errors import DeliveryError

TIMEOUT_S = 30.0


class MailError(DeliveryError):
    """The server did not take a message."""

    def __init__(self, text: str, *, retriable: bool, is_unknown: bool = False) -> None:
        super().__init__(text, reason="mail", retriable=retriable)
        self.is_unknown = is_unknown


def send(message: EmailMessage, settings: MailConfig) -> None:
    """Sends it to the address in its To; MailError where that failed."""
    try:
        client = _connected(settings)
    except (OSError, smtplib.SMTPException) as error:
        raise MailError(f"no mail server: {settings.host}:{settings.port}: {error}", retriable=True) from error
    try:
        _prove(client, settings)
        _hand_over(client, message, settings)
    finally:
        client.close()


def _connected(settings: MailConfig) -> smtplib.SMTP:
    context = ssl.create_default_context(cafile=None if settings.ca_file is None else str(settings.ca_file))
    if settings.security == "tls":
        return smtplib.SMTP_SSL(settings.host, settings.port, timeout=TIMEOUT_S, context=context)
    client = smtplib.SMTP(settings.host, settings.port, timeout=TIMEOUT_S)
    if settings.security == "starttls":
        try:
            client.starttls(context=context)
        except BaseException:
            client.close()
            raise
    return client


def _prove(client: smtplib.SMTP, settings: MailConfig) -> None:
    if settings.user is None or settings.password_file is None:
        return
    try:
        client.login(settings.user, settings.password_file.read_text().strip())
    except smtplib.SMTPAuthenticationError as error:
        raise MailError(
            f"{settings.host} refuses the login of {settings.user}: {error.smtp_code}", retriable=True
        ) from error
    except (OSError, smtplib.SMTPException) as error:
        raise MailError(f"{settings.host}: {error}", retriable=True) from error


def _hand_over(client: smtplib.SMTP, message: EmailMessage, settings: MailConfig) -> None:
    try:
        refused = client.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        code, said = next(iter(error.recipients.values()))
        raise MailError(f"{code} {_text(said)}", retriable=code < 500) from error
    except smtplib.SMTPResponseException as error:
        raise MailError(f"{error.smtp_code} {_text(error.smtp_error)}", retriable=error.smtp_code < 500) from error
    except smtplib.SMTPServerDisconnected as error:
        raise MailError(f"{settings.host} hung up: {error}", retriable=False, is_unknown=True) from error
    except OSError as error:
        raise MailError(f"{settings.host}: {error}", retriable=False, is_unknown=True) from error
    if refused:
        raise MailError(f"refused: {refused}", retriable=False)


def _text(said: bytes | str) -> str:
    return (said.decode("utf-8", "replace") if isinstance(said, bytes) else said)[:300]
