"""Settings of the spool: where what waits for receivers is kept, and how much of it.

Part of the settings of every program that delivers; read by its pipeline, which makes the spool.
"""

from collections.abc import Iterator
from pathlib import Path

from slurmlens.config.setting import Settings, setting
from slurmlens.config.shared import MIB

DEFAULT_PATH = Path("/var/lib/slurmlens/spool")


class SpoolConfig(Settings):
    """What may wait for receivers that are away; metrics go first, then log lines; every drop is reported.

    The least bounds leave room for the largest batch that `[batch]` allows.
    """

    path: Path = setting(
        DEFAULT_PATH,
        "folder on a local disk, of this daemon alone; the folder above must exist. On a tmpfs it holds 16 MiB at "
        "most, on a network file system everything stays in memory",
    )
    max_bytes: int = setting(256 * MIB, "for everything that waits, on the disk", minimum=8 * MIB)
    max_age_s: float = setting(7 * 86_400.0, "what is older is dropped", minimum=60)
    memory_bytes: int = setting(8 * MIB, "for what is in memory, on the disk as well or not yet", minimum=8 * MIB)
    metrics_memory_bytes: int = setting(
        2 * MIB, "of it for metrics; from half of it on they are written to the disk", minimum=2 * MIB
    )
    logs_memory_bytes: int = setting(
        2 * MIB, "of it for log lines; from half of it on they are written to the disk", minimum=2 * MIB
    )

    @property
    def writes_logs_at_once(self) -> bool:
        """Whether log lines go to the disk as they come: where they were entrusted to us by others."""
        return False

    def problems(self) -> Iterator[tuple[str, str]]:
        if not self.path.is_absolute():
            yield "path", f"must be absolute: {self.path}"
        if self.metrics_memory_bytes > self.memory_bytes:
            yield "metrics_memory_bytes", f"must be at most memory_bytes ({self.memory_bytes})"
        if self.logs_memory_bytes > self.memory_bytes:
            yield "logs_memory_bytes", f"must be at most memory_bytes ({self.memory_bytes})"
