"""One message to the node daemon, and its answer (`docs/specs/app-socket.md`).

Owns where the socket is looked for: `$SLURMLENS_SOCKET` alone where it is set, else the folder of `$SLURMD_NODENAME`
(several nodes on one host), else the path, else, for containers, the abstract name of that node. Each message is a
connection: the kernel tells the daemon who made it, so there is nothing to inherit, share or leak. An abstract name may
be taken by anybody while no daemon runs; so whoever listens there is spoken to only where it is no ordinary user. Used
by `slurmlens.progress` and the command line.
"""

from __future__ import annotations

import enum
import os
import socket
import struct

FOLDER = "/run/slurmlens-node"
NAME = "app.sock"
ABSTRACT_NAME = "slurmlens-app/"
HALF_PATIENCE = struct.pack("ll", 0, 100_000)
"""100 ms to be heard and 100 ms for the answer, as the kernel takes a time."""

MAX_MESSAGE_BYTES = 1024
ORDINARY_USERS = range(1000, 65_534)


class Reception(enum.Enum):
    """What became of a message: the daemon took it, refused it, did not answer in time, or is not there."""

    TAKEN = "taken"
    REFUSED = "refused"
    SILENT = "silent"
    ABSENT = "absent"


def say(words: str) -> Reception:
    """Say this for the process that calls."""
    return Reception.ABSENT if is_off() else answer_to(words)[0]


def is_off() -> bool:
    """Whether there is nobody to speak to: outside a job, or where the user wants silence."""
    environment = os.environ
    if environment.get("SLURMLENS_OFF", "0") not in ("", "0"):
        return True
    return "SLURM_JOB_ID" not in environment or environment.get("SLURMLENS_PROGRESS", "").lower() in ("off", "0", "no")


def answer_to(words: str) -> tuple[Reception, str]:
    """Say this, with what the environment says of the speaker; the daemon's own words are the second."""
    message = f"1 {_claims()}{words}".encode("utf-8", "replace")[:MAX_MESSAGE_BYTES]
    message = message.decode("utf-8", "ignore").encode()  # not cut within a character
    for address in _addresses():
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            # Not settimeout(): a connection that cannot wait for its turn would be refused under load.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, HALF_PATIENCE)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, HALF_PATIENCE)
            try:
                connection.connect(address)
            except BlockingIOError:
                return Reception.SILENT, "no turn within 100 ms"
            except OSError:
                continue
            if address.startswith("\0") and _is_ordinary(connection):
                continue
            try:
                connection.sendall(message)
                answer = connection.recv(256).decode("utf-8", "replace").strip()
            except OSError:
                return Reception.SILENT, "no answer within 200 ms"
            return (Reception.TAKEN if answer.startswith("ok ") else Reception.REFUSED), answer
    return Reception.ABSENT, "no slurmlens-node listens here"


def _claims() -> str:
    """Which job and task this process takes itself for. A component of a heterogeneous job has several ids."""
    environment = os.environ
    job = "" if "SLURM_HET_SIZE" in environment else environment.get("SLURM_JOB_ID", "")
    rank = environment.get("SLURM_PROCID", "")
    claims = (f"{name}={value} " for name, value in (("job", job), ("rank", rank)) if value.isdecimal())
    return "".join(claims)


def _addresses() -> tuple[str, ...]:
    named = os.environ.get("SLURMLENS_SOCKET")
    if named:
        return ("\0" + named[1:] if named.startswith("@") else named,)
    node, path = os.environ.get("SLURMD_NODENAME", ""), f"{FOLDER}/{NAME}"
    if not node or "/" in node:
        return (path,)
    return f"{FOLDER}/{node}/{NAME}", path, f"\0{ABSTRACT_NAME}{node}"


def _is_ordinary(connection: socket.socket) -> bool:
    """Whether an ordinary user other than this one listens."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    uid: int = struct.unpack("3i", credentials)[1]
    return uid in ORDINARY_USERS and uid != os.getuid()
