"""The rows over TLS: the hub, and a receiver of JSON lines; both want to see the node's certificate.

What a fault tears or changes on its way is then noticed by whoever reads it, so the JSON lines are not spared changed
bytes: the connection ends, and what may not have arrived is sent again.
"""

from __future__ import annotations

from conservation.programs import FAKETIME
from conservation.receivers import HubReceiver, JsonLinesReceiver, Place
from testkit.certificates import Authority, Identity

YESTERDAY = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": "-1d"}
"""When certificates are made: they hold for a day to both sides, whichever way a clock jumps."""


class Papers:
    """Who signs, and what the node shows."""

    def __init__(self, place: Place) -> None:
        self.authority = Authority(place.folder, environment=YESTERDAY)
        self._node = self.authority.issue(place.node)

    def of_server(self) -> Identity:
        """For a receiver at the proxy's address."""
        return self.authority.issue("server")

    def settings(self) -> str:
        """Of the node's sink."""
        return (
            f'ca_file = "{self.authority.certificate}"\n'
            f'certificate_file = "{self._node.certificate}"\nkey_file = "{self._node.key}"\n'
        )


class HubOverTls(HubReceiver):
    """The real slurmlens-hub, by https."""

    name = "hub-tls"
    scheme = "https"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._papers = Papers(place)
        shown = self._papers.of_server()
        config = place.folder / "hub.toml"
        listen = (
            f'[listen]\ncertificate_file = "{shown.certificate}"\nkey_file = "{shown.key}"\n'
            f'client_ca_file = "{self._papers.authority.certificate}"\n'
        )
        config.write_text(config.read_text().replace("[listen]\n", listen))

    def settings(self) -> str:
        return super().settings() + self._papers.settings()


class JsonLinesOverTls(JsonLinesReceiver):
    """JSON lines as logstash takes them with `ssl_enabled`."""

    name = "logstash-tls"
    notices_changes = True

    def __init__(self, place: Place) -> None:
        self._papers = Papers(place)
        shown = self._papers.of_server()
        super().__init__(place, str(shown.certificate), str(shown.key), str(self._papers.authority.certificate))

    def settings(self) -> str:
        return super().settings() + "tls = true\n" + self._papers.settings()
