"""Who sends a request: the one place where a request becomes a `Viewer`.

Today the hub listens on loopback and whoever reaches it is everybody; sessions and credentials are proved here once
there are any. Used by every handler that reads.
"""

from __future__ import annotations

from aiohttp import web

from slurmlens.hub.access.viewer import EVERYBODY, Viewer


def viewer_of(request: web.Request) -> Viewer:
    """Who looks; nothing of the request is believed yet, so that it cannot be forged."""
    return EVERYBODY
