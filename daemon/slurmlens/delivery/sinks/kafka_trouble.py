"""What aiokafka complains of, in words and as a reason from a closed list; its own log is kept out of ours.

Owns aiokafka's logger: while a broker is away it writes dozens of lines a second, of which the last one says why. Used
by `kafka_producer` and by the hub's `intake.kafka`; imported only where Kafka is configured.
"""

from __future__ import annotations

import logging

from aiokafka import errors as kafka_errors

_MAX_TEXT = 200
_AUTHENTICATION = (
    kafka_errors.AuthenticationFailedError,
    kafka_errors.AuthenticationMethodNotSupported,
    kafka_errors.SaslAuthenticationFailed,
    kafka_errors.UnsupportedSaslMechanismError,
)
_AUTHORIZATION = (
    kafka_errors.TopicAuthorizationFailedError,
    kafka_errors.ClusterAuthorizationFailedError,
)


def reason_of(error: BaseException) -> str:
    """A word from a closed list."""
    if isinstance(error, _AUTHENTICATION):
        return "authentication"
    if isinstance(error, _AUTHORIZATION):
        return "unauthorized"
    if type(error).__module__ == "ssl":
        return "tls"
    if isinstance(error, TimeoutError | kafka_errors.KafkaTimeoutError | kafka_errors.RequestTimedOutError):
        return "timeout"
    if isinstance(error, OSError | kafka_errors.KafkaConnectionError):
        return "network"
    return "broker"


class LastWords(logging.Handler):
    """Keeps the last complaint of aiokafka, which writes dozens of lines a second while a broker is away."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.clear()

    def clear(self) -> None:
        self.text = ""
        self.error: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()[:_MAX_TEXT]
        arguments = record.args if isinstance(record.args, tuple) else ()
        self.error = next((one for one in arguments if isinstance(one, BaseException)), None)


LAST_WORDS = LastWords()
_logger = logging.getLogger("aiokafka")
_logger.addHandler(LAST_WORDS)
_logger.propagate = False
