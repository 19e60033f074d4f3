"""The socket at which processes of jobs say how far they are.

Whoever speaks is known from the kernel (SO_PEERCRED, a pidfd, the peer's cgroup), never from what it says. `peer`: who
speaks; `accounts`: what is kept of a job and how much it may say (sans-IO); `stage`: the socket itself. Feeds the
outlet with `JobProgress` and `JobMessage`; wired by `node.pipeline`.
"""

from slurmlens.node.appsocket.accounts import SpeakingJob
from slurmlens.node.appsocket.stage import AppSocket, AppSocketDependencies

__all__ = ["AppSocket", "AppSocketDependencies", "SpeakingJob"]
