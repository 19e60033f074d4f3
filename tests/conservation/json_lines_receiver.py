"""A program that takes JSON lines over TCP as logstash's tcp input does: no answer, no acknowledgement, no mercy.

Run as `python -m conservation.json_lines_receiver PORT FILE [CERTIFICATE KEY CLIENTS_CA]`: whole lines are appended to
FILE as they come in, with the last three by TLS, from who shows a certificate. Made to be killed and frozen; a line
that a kill tore is ended by the next start, so that it spoils no other.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from pathlib import Path

from testkit.certificates import Identity, server_context


async def serve(port: int, path: str, tls: ssl.SSLContext | None) -> None:
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

    server = await asyncio.start_server(take, "127.0.0.1", port, ssl=tls)
    async with server:
        await server.serve_forever()


def _tls(certificate: str, key: str, clients_ca: str) -> ssl.SSLContext:
    return server_context(Identity(Path(certificate), Path(key)), clients_ca=Path(clients_ca))


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2], _tls(*sys.argv[3:]) if sys.argv[3:] else None))
