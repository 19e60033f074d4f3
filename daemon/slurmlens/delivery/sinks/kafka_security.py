"""How a connection to Kafka is secured: from the settings to aiokafka's options.

Owns nothing; certificates and passwords are read anew for each client, so that they can be exchanged while the program
runs. OpenSSL is imported here and only for TLS (ADR 9). Called by `kafka_producer`, in its thread, and by the hub's
`intake.kafka`.
"""

from __future__ import annotations

from typing import Any

from slurmlens.config.kafka import KafkaSettings
from slurmlens.delivery.sinks.proof import read_token
from slurmlens.errors import DeliveryError, TransportError


def security_options(config: KafkaSettings, table: str = "sinks.kafka") -> dict[str, Any]:
    """Arguments of aiokafka's clients; `table` is where the settings stand.

    DeliveryError where a file that the settings name cannot be used.
    """
    logs_in = config.sasl_mechanism != "none"
    protocol = ("SASL_" if logs_in else "") + ("SSL" if config.tls else "PLAINTEXT")
    options: dict[str, Any] = {"security_protocol": protocol}
    if config.tls:
        from slurmlens.runtime.tls import ClientTls

        try:
            options["ssl_context"] = ClientTls(config, table).context()
        except TransportError as error:
            raise DeliveryError(str(error), reason=error.reason) from error
    if logs_in and config.sasl_password_file is not None:
        options["sasl_mechanism"] = config.sasl_mechanism
        options["sasl_plain_username"] = config.sasl_user
        options["sasl_plain_password"] = read_token(config.sasl_password_file)
    return options
