"""`GET /api/v1/silence/NODE`: whether this node is to be silent, asked by its daemon every few seconds.

Answers whoever asks: it tells nothing but that, of any name. Made from the hub's settings alone.
"""

from __future__ import annotations

import zlib

import msgspec
from aiohttp import web

from slurmlens.config.silence import SilenceConfig
from slurmlens.errors import DecodeError
from slurmlens.hub.web.answers import json_answer
from slurmlens.slurm import hostlist

EVERY_NODE = "*"


class SilenceView(msgspec.Struct, frozen=True, kw_only=True):
    """The answer."""

    node: str
    silent: bool


class SilencePage:
    """Whom the settings silence."""

    def __init__(self, settings: SilenceConfig) -> None:
        self._percent = settings.percent
        nodes = settings.nodes or ""
        self._is_all = nodes.strip() == EVERY_NODE
        try:
            named = () if self._is_all else hostlist.expand(nodes)
        except DecodeError:
            named = ()  # nobody is silenced by a list that cannot be read
        self._named = frozenset(named)

    async def show(self, request: web.Request) -> web.Response:
        """`GET /api/v1/silence/NODE`."""
        node = request.match_info["node"]
        return json_answer(SilenceView(node=node, silent=self.is_silent(node)))

    def is_silent(self, node: str) -> bool:
        """Whether this node is; one that is at a percentage is at every higher one."""
        is_named = self._is_all or node in self._named
        return is_named and share_of(node) < self._percent


def share_of(node: str) -> float:
    """Where a node stands between 0 and 100, by its name alone: evenly spread, the same for ever."""
    return zlib.crc32(node.encode("utf-8", "replace")) / 2**32 * 100
