"""The addresses at which log lines are taken and asked about, with who answers there, as settings say.

Owns which there are. Made by `pipeline`; `web` binds them below /api/v1.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from slurmlens.clock import Clock
from slurmlens.config.hub import HubConfig
from slurmlens.hub.intake.enriching import DocumentEnricher
from slurmlens.hub.intake.log_lines import LogIntake
from slurmlens.hub.logs.opening import HubLogs
from slurmlens.runtime.authentication import Prove
from slurmlens.runtime.local_zone import LocalZone
from slurmlens.telemetry.internal import Reporter

AnswerLines = Callable[[bytes, Mapping[str, str], str | None], Awaitable[tuple[int, bytes]]]


def line_addresses(
    logs: HubLogs | None, config: HubConfig, prove: Prove, clock: Clock, reporter: Reporter
) -> dict[str, AnswerLines]:
    """By the end of the address; none where there are no lines, and none that takes some where others write them."""
    if logs is None:
        return {}
    most_bytes, forwarders, zone = config.listen.max_body_bytes, config.logs.forwarders, LocalZone()
    asked = DocumentEnricher(
        max_body_bytes=most_bytes,
        prove=prove,
        forwarders=(*forwarders, *config.auth.relays),
        enricher=logs.enricher,
        zone=zone,
        clock=clock,
    )
    found: dict[str, AnswerLines] = {"enrich": asked.enrich, "enrich/2015": asked.enrich_2015}
    if logs.keeper is not None:
        found["logs"] = LogIntake(
            max_body_bytes=most_bytes,
            prove=prove,
            forwarders=forwarders,
            relays=config.auth.relays,
            keeper=logs.keeper,
            zone=zone,
            reporter=reporter,
            clock=clock,
        ).take
    return found
