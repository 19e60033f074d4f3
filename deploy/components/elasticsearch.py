"""Elasticsearch 7.10.2, the last under Apache 2.0, as one node in one JVM, started from Maven's jars.

`Elasticsearch.url` is its address. What is said of `opensearch` holds for it too: their ways parted after this release.
"""

from __future__ import annotations

from pathlib import Path

from deploy.components import opensearch
from deploy.components.fetch import MODULES
from deploy.components.opensearch import SearchNode
from deploy.sandbox import Sandbox

MODULE = MODULES / "elasticsearch"


class Elasticsearch(SearchNode):
    """The node, on the loopback address."""

    module = MODULE
    configuration = "elasticsearch.yml"

    def __init__(self, sandbox: Sandbox, name: str = "elasticsearch") -> None:
        super().__init__(sandbox, name)


def program() -> Path:
    """The folder with the server's jars and what starts it, from the cache."""
    return opensearch.program(MODULE)
