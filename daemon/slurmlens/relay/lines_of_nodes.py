"""What a relay passes on of what a node sent: which lines, as they came, and which no receiver shall ever see. Pure.

Owns the look at every line, a class a stream: an event must be one, of this cluster; a log line must be a document;
each must be of the node that was proved, so the hub believes a relay what it believes that node. Used by `intake`.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from slurmlens.delivery.batches import Stream
from slurmlens.errors import DecodeError
from slurmlens.wire.ingest import RefusedLine, check_not_all_foreign, lines_of
from slurmlens.wire.log_documents import documents, node_of


class SortedLines(NamedTuple):
    """Lines to pass on, each with its newline, and those that are refused for ever."""

    kept: list[bytes]
    refused: list[RefusedLine]


class LinesOfNodes(Protocol):
    """The lines of one stream."""

    stream: Stream

    def sorted(self, body: bytes, node: str) -> SortedLines:
        """The lines of a body, unpacked; SlurmlensError where it is to be refused as a whole."""


class EventLines:
    """Events of one cluster."""

    stream = Stream.EVENTS

    def __init__(self, cluster: str) -> None:
        self._cluster = cluster

    def sorted(self, body: bytes, node: str) -> SortedLines:
        """See `LinesOfNodes`."""
        told, kept, refused = body.split(b"\n"), [], []
        for number, event, problem in lines_of(body, lambda other: other == node, self._cluster):
            if event is not None:
                kept.append(told[number - 1] + b"\n")
            elif problem is not None:
                refused.append(RefusedLine(number, problem.reason, str(problem)))
        check_not_all_foreign(len(kept), refused)
        return SortedLines(kept, refused)


class LogDocumentLines:
    """Log lines, one document a line."""

    stream = Stream.LOGS

    def sorted(self, body: bytes, node: str) -> SortedLines:
        """See `LinesOfNodes`."""
        if body.lstrip()[:1] == b"[":
            raise DecodeError("an array of documents: a relay takes one document a line", reason="json")
        told, kept, refused = body.split(b"\n"), [], []
        for number, document in documents(body):
            if isinstance(document, DecodeError):
                refused.append(RefusedLine(number, document.reason, str(document)))
            elif (named := node_of(document)) != node:
                refused.append(RefusedLine(number, "node", f"host is {named!r}, but {node} sent it"))
            else:
                kept.append(told[number - 1] + b"\n")
        return SortedLines(kept, refused)
