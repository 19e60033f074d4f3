"""Waiting until the relay's spool has committed what a node brought: only then may the node be told that it is safe.

Owns the wait and its end. Used by `intake` and `log_intake`.
"""

from __future__ import annotations

import asyncio

from slurmlens.delivery.batches import Batch, BatchQueue, Stream
from slurmlens.errors import DeliveryError


async def commit(queue: BatchQueue, stream: Stream, lines: bytes, count: int, born_ns: int, timeout_s: float) -> None:
    """Returns when the spool has committed the lines; DeliveryError where it did not in time."""
    committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    batch = Batch(stream, lines, count, born_ns, (lambda: _resolve(committed),))
    try:
        async with asyncio.timeout(timeout_s):
            await queue.append(batch)
            await committed
    except TimeoutError as error:
        message = f"the spool did not commit within {timeout_s:g} s: look at `slurmlens status`"
        raise DeliveryError(message, reason="spool") from error


def _resolve(future: asyncio.Future[None]) -> None:
    """Nobody waits any more where the commit came too late."""
    if not future.done():
        future.set_result(None)
