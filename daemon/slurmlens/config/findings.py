"""Settings of the hub's findings: whether it looks for them, and where the known problems stand."""

from pathlib import Path

from slurmlens.config.setting import Settings, setting


class FindingsConfig(Settings):
    """What the hub looks for by itself."""

    enabled: bool = setting(True, "look for nodes, devices and jobs with which something is wrong, and tell of them")
    problems_path: Path = setting(
        Path("/etc/slurmlens/problems"),
        "folder of known problems, a TOML file each; your own go there as well (docs/findings.md)",
    )
