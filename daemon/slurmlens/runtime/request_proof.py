"""What a MUNGE credential of a reader is made around: the request it is for, so that it serves for no other.

Made by the command line (`cli.ask.hub`), compared by the hub (`hub.access.authenticating`); the head differs from that
of events (`runtime.authentication`), so that neither can be used as the other.
"""

from __future__ import annotations

PAYLOAD_HEAD = "slurmlens-read-1"


def payload(method: str, target: str) -> bytes:
    """The payload for `method` (GET, POST) of `target`, path and query as they stand in the request's first line."""
    return f"{PAYLOAD_HEAD}\n{method}\n{target}".encode(errors="replace")
