"""Settings of what a daemon says about itself to others: its own figures to carbon and to Prometheus.

Part of `config.node`; read by `node.own_figures`. With neither switched on nothing runs for it, and `slurmlens status`
still tells everything.
"""

from collections.abc import Iterator

from slurmlens.config.setting import Settings, setting


class TelemetryConfig(Settings):
    """The daemon's own figures, for whoever watches the watchers."""

    carbon: bool = setting(False, "send them to carbon, below slurm.CLUSTER.nodes.NODE.slurmlens")
    interval_s: float = setting(
        60.0, "how often; the first rule in etc/carbon/storage-schemas.conf must say the same", minimum=1, maximum=3600
    )
    prometheus: str | None = setting(
        None,
        "HOST:PORT that answers GET /metrics; whoever reaches it may read, so keep it on loopback",
        example='"127.0.0.1:9830"',
    )

    @property
    def is_on(self) -> bool:
        """Whether anybody is to be told."""
        return self.carbon or self.prometheus is not None

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port of `prometheus`."""
        if self.prometheus is None:
            return None
        host, _, port = self.prometheus.rpartition(":")
        bare = host.removeprefix("[").removesuffix("]")
        return (bare, int(port)) if bare and port.isascii() and port.isdecimal() and int(port) < 65_536 else None

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.prometheus is not None and self.address is None:
            yield "prometheus", f"{self.prometheus!r} is no HOST:PORT"
