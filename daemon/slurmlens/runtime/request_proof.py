"""What MUNGE credentials of requests are made around, so that each serves for its own request and no other.

Owns both payloads: of requests that bring events or log lines (made by `delivery.sinks.proof`, compared by
`runtime.authentication`) and of readers' requests (made by `cli.ask.hub`, compared by `hub.access.authenticating`).
Their heads differ, so that neither can be used as the other.
"""

from __future__ import annotations

import hashlib

EVENTS_HEAD = "slurmlens-events-1"
PAYLOAD_HEAD = "slurmlens-read-1"


def events_payload(node: str, body: bytes) -> bytes:
    """The payload of a node's request: protocol, node, and the SHA-256 of the body as sent."""
    return f"{EVENTS_HEAD}\n{node}\n{hashlib.sha256(body).hexdigest()}".encode()


def payload(method: str, target: str) -> bytes:
    """The payload for `method` (GET, POST) of `target`, path and query as they stand in the request's first line."""
    return f"{PAYLOAD_HEAD}\n{method}\n{target}".encode(errors="replace")
