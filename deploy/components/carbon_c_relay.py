"""carbon-c-relay, Debian's own: takes carbon lines and forwards them to ports, or appends them to a file.

`CarbonCRelay.port` takes lines; without a target, `lines()` is what has come through.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deploy.component import listens
from deploy.components.server import Server
from deploy.sandbox import Sandbox, require_programs

PROGRAM = "carbon-c-relay"


class CarbonCRelay(Server):
    """The relay; `forward_to` are loopback ports that are sent every line, `options` more flags (`-q`: queue size)."""

    def __init__(
        self, sandbox: Sandbox, name: str = PROGRAM, *, forward_to: Sequence[int] = (), options: Sequence[str] = ()
    ) -> None:
        self.port = sandbox.ports.take()
        super().__init__(sandbox, name, lambda: listens(self.port))
        self.output = self.folder / "lines"
        self._forward_to, self._options = forward_to, options

    def command(self) -> list[str]:
        require_programs([PROGRAM])
        conf = self.folder / "relay.conf"
        conf.write_text(relay_conf(self.port, self._forward_to, self.output))
        return [PROGRAM, "-f", str(conf), *self._options]

    def lines(self) -> list[str]:
        """The whole lines in the file, in the order of arrival."""
        text = self.output.read_text() if self.output.exists() else ""
        return [line.removesuffix("\n") for line in text.splitlines(keepends=True) if line.endswith("\n")]


def relay_conf(port: int, forward_to: Sequence[int], output: Path) -> str:
    """The relay's configuration: everything goes to one place, but what it says about itself nowhere."""
    ports = " ".join(f"127.0.0.1:{port}" for port in forward_to)
    target = f"forward {ports}" if ports else f"file {output}"
    return f"""listen type linemode 127.0.0.1:{port} proto tcp ;
cluster out {target} ;
match ^carbon\\.relays\\. send to blackhole stop ;
match * send to out stop ;
"""
