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
    ibnetdiscover_file: Path | None = setting(
        None,
        "what ibnetdiscover (or ibnetdiscover -p) wrote, on whichever host may ask the fabric; read every five minutes",
        example='"/var/lib/slurmlens/ibnetdiscover.txt"',
    )
    lldp_folder: Path | None = setting(
        None,
        "a folder with NODE.json for each node: what lldpctl -f json0 or networkctl lldp --json=short printed there",
        example='"/var/lib/slurmlens/lldp"',
    )
    user_database: bool = setting(
        True, "ask this machine's user database (NSS) once an hour for the groups of users who have jobs"
    )
