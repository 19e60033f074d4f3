"""Static files: read once at start, compressed once, served under an address that holds their hash.

Owns the files below `static/` (style sheet, icon) and `static/vendor/` (the browser part, put there by `make -C web`;
absent in a checkout without it, and then pages simply have no scripts). A browser may keep what it got for ever;
nothing else on the disk can be named.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from aiohttp import web

_TYPES: dict[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, plain and compressed."""

    content_type: str
    body: bytes
    packed: bytes


class Assets:
    """All static files of this process; `version` changes when any of them does."""

    def __init__(self, root: Traversable | None = None) -> None:
        self._files = dict(_read(root or resources.files("slurmlens.hub.web") / "static"))
        digest = hashlib.sha256()
        for name, asset in sorted(self._files.items()):
            digest.update(name.encode() + b"\0" + asset.body)
        self.version = digest.hexdigest()[:12]

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return name in self._files

    def url(self, name: str) -> str:
        """The address of a file."""
        return f"/static/{self.version}/{name}"

    async def serve(self, request: web.Request) -> web.Response:
        """`GET /static/VERSION/NAME`; an old version still gets the new file, but may not keep it."""
        asset = self._files.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound
        is_current = request.match_info["version"] == self.version
        headers = {"Cache-Control": _FOR_EVER if is_current else "no-cache", "Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            body = asset.packed
        else:
            body = asset.body
        return web.Response(body=body, headers={**headers, "Content-Type": asset.content_type})


def _read(folder: Traversable, prefix: str = "") -> list[tuple[str, Asset]]:
    found: list[tuple[str, Asset]] = []
    for entry in folder.iterdir():
        suffix = "." + entry.name.rpartition(".")[2]
        if entry.is_dir():
            found.extend(_read(entry, f"{prefix}{entry.name}/"))
        elif suffix in _TYPES:
            body = entry.read_bytes()
            found.append((prefix + entry.name, Asset(_TYPES[suffix], body, gzip.compress(body, 9, mtime=0))))
    return found
