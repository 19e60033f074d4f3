"""OpenSearch 3.8.0 as one node in one JVM, started from Maven's jars by a Java runtime from PyPI, for it needs 21.

`OpenSearch3.url` is its address. What is said of `opensearch` holds for it too.
"""

from __future__ import annotations

from pathlib import Path

from deploy.components import java_runtime, opensearch
from deploy.components.fetch import MODULES
from deploy.components.opensearch import SearchNode
from deploy.sandbox import Sandbox

MODULE = MODULES / "opensearch-3"


class OpenSearch3(SearchNode):
    """The node, on the loopback address."""

    module = MODULE
    configuration = "opensearch.yml"

    def __init__(self, sandbox: Sandbox, name: str = "opensearch-3") -> None:
        super().__init__(sandbox, name)

    def java(self) -> tuple[str, ...]:
        # The runtime has no data of Thai words, without which no index can be made: ThaiByCharacter gives an answer.
        return (str(java_runtime.java()), "-Djava.locale.providers=SPI,CLDR")


def program() -> Path:
    """The folder with the server's jars and what starts it, from the cache, and the runtime beside it."""
    java_runtime.java()
    return opensearch.program(MODULE)
