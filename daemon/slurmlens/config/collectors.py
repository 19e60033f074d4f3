"""Settings of the collectors: what is read of the node itself, beside its jobs.

Part of `config.node`; used by `node.collectors` alone.
"""

from slurmlens.config.setting import Settings, setting


class CollectorsConfig(Settings):
    """CPU, memory, disks, file systems, networks, sensors; `docs/metrics.md` lists them."""

    enabled: bool = setting(True, "whether the node itself is read, too")
    interval_s: float = setting(60.0, "time between two rounds over all collectors", minimum=1, maximum=3600)
    without: tuple[str, ...] = setting((), "collectors that are left out, by their names", example='["hwmon", "tcp"]')
    budget_share: float = setting(
        0.0005,
        "share of one core that a collector may cost; one that costs more is read more seldom, then not at all",
        minimum=0.000001,
        maximum=1,
    )
    devices_max: int = setting(64, "of so many devices of a collector there are figures", minimum=1, maximum=1000)
    probe_timeout_s: float = setting(
        5.0, "a network's file system that has not answered after this time hangs", minimum=0.1, maximum=60
    )


class GpusConfig(Settings):
    """GPUs, where a driver of theirs is loaded; read in a process of their own."""

    enabled: bool = setting(True, "whether GPUs are read")
    interval_s: float = setting(10.0, "time between two readings", minimum=1, maximum=3600)
    timeout_s: float = setting(
        8.0, "GPUs that have not answered after this time hang; their process is ended", minimum=0.1, maximum=60
    )
