"""Asking the supervisor of a running stack, over its socket."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from deploy.errors import DeployError
from deploy.whole.supervisor import CONTROL

ANSWER_MAX_S = 60.0


def ask(folder: Path, **request: Any) -> str:
    """What it answers; DeployError where it refuses or does not answer."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_MAX_S)
            connection.connect(str(folder / CONTROL))
            connection.sendall(json.dumps(request).encode())
            answer: dict[str, Any] = json.loads(connection.makefile().readline())
    except (OSError, ValueError) as error:
        raise DeployError(f"the stack's supervisor does not answer: {error}") from error
    if "error" in answer:
        raise DeployError(answer["error"])
    return str(answer["said"])
