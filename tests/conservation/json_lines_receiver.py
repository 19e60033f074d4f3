"""A program that takes JSON lines over TCP as logstash's tcp input does: no answer, no acknowledgement, no mercy.

Run as `python -m conservation.json_lines_receiver PORT FILE`: whole lines are appended to FILE as they come in. Made to
be killed and frozen; a line that a kill tore is ended by the next start, so that it spoils no other.
"""

from __future__ import annotations

import asyncio
import os
import sys


async def serve(port: int, path: str) -> None:
    """Take lines for ever."""
    output = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    size = os.fstat(output).st_size
    if size and os.pread(output, 1, size - 1) != b"\n":
        os.write(output, b"\n")

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        rest = b""
        try:
            while data := await reader.read(65_536):
                whole, newline, rest = (rest + data).rpartition(b"\n")
                os.write(output, whole + newline)
        except OSError:
            pass  # what was torn off is not a line
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
