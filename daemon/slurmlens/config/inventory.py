"""Settings of the hub's inventory: where what the cluster consists of is read beside the scheduler."""

from pathlib import Path

from slurmlens.config.setting import Settings, setting


class InventoryConfig(Settings):
    """Where the hub learns of the cluster itself."""

    topology_file: Path | None = setting(
        None,
        "a topology.conf or topology.yaml to read; where not set, the scheduler is asked (scontrol show topology)",
        example='"/etc/slurm/topology.yaml"',
    )
    user_database: bool = setting(
        True, "ask this machine's user database (NSS) once an hour for the groups of users who have jobs"
    )
