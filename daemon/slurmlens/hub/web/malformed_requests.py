"""Requests that are no HTTP, and faults in answering them: counted each, and logged at most once a minute.

aiohttp writes a traceback for each of them by its own logger; a stranger with a loop would fill the disk. This handler
stands in that logger's place. What fails in a handler of ours never comes here: `error_pages` has it.
"""

from __future__ import annotations

import logging

from slurmlens.shown.text import visible
from slurmlens.telemetry.internal import InternalEvent, Reporter

MALFORMED = InternalEvent(
    "http_requests_malformed", logging.WARNING, "a request was no HTTP that is spoken here: {error}", lines=1
)
_LONGEST = 200


class MalformedRequests(logging.Handler):
    """Takes what aiohttp's server logs of single requests."""

    def __init__(self, reporter: Reporter) -> None:
        super().__init__()
        self._reporter = reporter

    def install(self) -> None:
        """From now on aiohttp's server reports them here and nowhere else."""
        logger = logging.getLogger("aiohttp.server")
        logger.handlers[:] = [self]
        logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        cause = record.exc_info[1] if record.exc_info else None
        text = " ".join(str(cause or record.getMessage()).split())
        self._reporter.report(MALFORMED, error=visible(text)[:_LONGEST])
