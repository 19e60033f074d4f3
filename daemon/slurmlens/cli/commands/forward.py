"""`slurmlens forward`: log lines from standard input to the hub, for rsyslog, syslog-ng and whatever writes lines.

Owns one batch at a time: what was read is sent again until the hub has it, so that whoever writes to the pipe waits and
keeps its own queue. Ends with the input. A line is a JSON document (`wire.log_documents` names the forms) or plain
text. Called by `cli.main`.
"""

from __future__ import annotations

import argparse
import os
import random
import select
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec

from slurmlens.cli.ask import hub as hub_client
from slurmlens.config.sinks import HubSinkConfig
from slurmlens.delivery.sinks.proof import Proof, proof_of
from slurmlens.errors import DeliveryError, HubError
from slurmlens.shown.text import visible

SUMMARY = "log lines from standard input to the hub"

EPILOG = """example, in a configuration of rsyslog:
  action(type="omprog" binary="/usr/bin/slurmlens forward --hub http://hub:6830" template="slurmlens")

exit status: 0 the input ended and the hub has all of it, 2 the hub refuses this host, with the reason"""

MOST_LINES = 500
MOST_BYTES = 1024 * 1024
GATHER_S = 0.5
LEAST_PAUSE_S, MOST_PAUSE_S = 0.5, 30.0
TIMEOUT_S = 60.0
PATH = "/api/v1/logs"
_REFUSED_FOR_GOOD = frozenset({400, 401, 403, 404, 413})
EXIT_REFUSED = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--node", metavar="NAME", default=socket.gethostname().partition(".")[0], help="this host's name"
    )
    parser.add_argument("--of", metavar="HOST", help="the host of lines that name none (default: the same)")
    parser.add_argument("--program", metavar="NAME", help="the program of lines of plain text")
    parser.add_argument("--token-file", metavar="FILE", type=Path, help="a token for this host (default: MUNGE)")
    hub_client.add_hub_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Forward until the input ends."""
    try:
        address = hub_client.hub_address(arguments.hub) + PATH
        by = "munge" if arguments.token_file is None else "token"
        proof = proof_of(HubSinkConfig(auth=by, token_file=arguments.token_file), arguments.node)
        for lines in _batches(sys.stdin.fileno()):
            body = (
                b"\n".join(_document(line, arguments.of or arguments.node, arguments.program) for line in lines) + b"\n"
            )
            _send(address, arguments.node, body, proof)
    except (HubError, DeliveryError) as error:
        print(f"slurmlens forward: {visible(str(error))}", file=sys.stderr, flush=True)
        return EXIT_REFUSED
    return 0


def _batches(descriptor: int) -> Iterator[list[bytes]]:
    """Lines as they come: those of half a second, or as many as one request should have."""
    rest, has_ended = b"", False
    while not has_ended:
        lines: list[bytes] = []
        size = 0
        deadline: float | None = None
        while len(lines) < MOST_LINES and size < MOST_BYTES:
            wait_s = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([descriptor], [], [], wait_s)[0]:
                break
            piece = os.read(descriptor, 65_536)
            if not piece:
                has_ended = True
                break
            *whole, rest = (rest + piece).split(b"\n")
            lines += [line for line in whole if line.strip()]
            size += len(piece)
            if lines and deadline is None:
                deadline = time.monotonic() + GATHER_S
        if has_ended and rest.strip():
            lines.append(rest)
        if lines:
            yield lines


def _document(line: bytes, node: str, program: str | None) -> bytes:
    """The line as a document with a host in it."""
    try:
        document = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = line.decode("utf-8", "replace")
        return msgspec.json.encode({"message": text, "host.name": node, "process.name": program})
    if not {"host", "host.name", "hostname", "_HOSTNAME", "@fields", "logsource", "fromhost"} & document.keys():
        return msgspec.json.encode({**document, "host.name": node})
    return line


def _send(address: str, node: str, body: bytes, proof: Proof) -> None:
    """Sends a batch until the hub has it; HubError where it never will take any of this host's."""
    pause_s = LEAST_PAUSE_S
    while (problem := _try(address, node, body, proof)) is not None:
        print(f"slurmlens forward: {visible(problem)}; trying again", file=sys.stderr, flush=True)
        time.sleep(pause_s * random.uniform(0.8, 1.2))  # noqa: S311  # no secret
        pause_s = min(2 * pause_s, MOST_PAUSE_S)


def _try(address: str, node: str, body: bytes, proof: Proof) -> str | None:
    """Sends once; what went wrong, None where the hub has it."""
    headers = {
        "Content-Type": "application/x-ndjson",
        "X-Slurmlens-Node": node,
        "Authorization": proof(body),
    }
    request = urllib.request.Request(address, body, headers)  # noqa: S310  # the scheme was checked
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            taken = msgspec.json.decode(answer.read(MOST_BYTES))
            for refused in taken.get("refused", ())[:3]:
                print(f"slurmlens forward: a line is lost: {visible(str(refused))}", file=sys.stderr, flush=True)
            return None
    except urllib.error.HTTPError as error:
        words = error.read(4096).decode("utf-8", "replace")
        if error.code in _REFUSED_FOR_GOOD:
            raise HubError(f"the hub refuses lines of {node}: {words}", status=error.code) from error
        return f"the hub answered {error.code}: {words}"
    except (OSError, ValueError) as error:
        return f"no answer from the hub ({error})"
