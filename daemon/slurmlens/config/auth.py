"""Settings of whoever takes events from nodes: how they prove who they are. Part of the hub's and the relay's."""

from collections.abc import Iterator
from pathlib import Path

from slurmlens.config.setting import Settings, setting


class AuthConfig(Settings):
    """Who may send events."""

    munge: bool = setting(True, "take MUNGE credentials")
    munge_socket: Path | None = setting(
        None, "munged's socket; the library's own where not set", example='"/run/munge/munge.socket.2"'
    )
    token_file: Path | None = setting(
        None, "take bearer tokens: one a line, NODE TOKEN (NODE may be *)", example='"/etc/slurmlens/tokens"'
    )
    allowed_users: tuple[str, ...] = setting(
        ("root", "slurmlens"), "users (names or numbers) whose MUNGE credential speaks for a node"
    )
    check_origin: bool = setting(
        True,
        "a credential must come from an address of its node: one that the scheduler gives (hub), or that the node's"
        " name has (relay)",
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        if not self.munge and self.token_file is None:
            yield "munge", "nobody could send events: leave munge = true or name a token_file"
