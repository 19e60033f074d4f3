"""Settings of the carbon series of 2015: for sites whose boards still ask for the ancestor's names.

Part of `config.node` and `config.hub`; each reads its own table, which switches its series on. `wire.series_2015` lists
the names.
"""

from slurmlens.config.setting import Settings, setting

COMPONENT_PATTERN = r"[A-Za-z0-9_-]{1,100}"
COMPONENT_TEXT = "letters, digits, '_' and '-', at most 100"

_INTERVAL_TEXT = "how often; the rules in etc/carbon/storage-schemas.conf must say the same"


class NodeSeries2015Config(Settings):
    """`servers.HOST.…` and `psutil.TYPE.HOST.…`, through this node's own carbon sink."""

    type: str = setting(
        "compute",
        "TYPE in psutil.TYPE.HOST: what the ancestor had in CNT_TYPE",
        pattern=COMPONENT_PATTERN,
        pattern_text=COMPONENT_TEXT,
    )
    interval_s: float = setting(10.0, _INTERVAL_TEXT, minimum=1, maximum=3600)
    programs: int = setting(
        100,
        "so many programs get series of their own while the daemon runs; every one of them is files in carbon for ever",
        minimum=0,
        maximum=10_000,
    )


class HubSeries2015Config(Settings):
    """`slurm.stats.…`: how many jobs, nodes and CPUs run and wait, by user and group."""

    host: str = setting("127.0.0.1", "carbon's host, or a relay's that keeps points while carbon is away")
    port: int = setting(2003, "its port for the plaintext protocol", minimum=1, maximum=65_535)
    interval_s: float = setting(10.0, _INTERVAL_TEXT, minimum=1, maximum=3600)
