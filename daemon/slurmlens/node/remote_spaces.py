"""What the file systems of the network have, asked through `slurmlens-probe`: a server that hangs holds no daemon.

Owns what is known of each mount point and which of them hang. A hanging one is asked again after 1, 2, 4 … rounds, at
most `LONGEST_PAUSE`, and at most `HANGS_A_ROUND` are waited for in one round. Where no such file system is mounted,
no process is started. Made by `pipeline`, called by the collectors' stage before each round.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from slurmlens.node.collectors.files import FileSystemSpace
from slurmlens.node.collectors.filesystem import MOUNTS, mounts
from slurmlens.node.probe.process import ProbeProcess

LONGEST_PAUSE = 16
HANGS_A_ROUND = 3


@dataclass(slots=True)
class _Hang:
    pause: int = 1
    left: int = 1


class RemoteSpaces:
    """The file systems of the network of one machine."""

    def __init__(self, root: Path, probe: ProbeProcess, timeout_s: float) -> None:
        self._root = root
        self._probe = probe
        self._timeout_s = timeout_s
        self._hangs: dict[str, _Hang] = {}

    async def ask(self) -> dict[str, FileSystemSpace | None]:
        """By mount point: what it has, None where it hangs; nothing of one that cannot be asked for another reason."""
        points = self._points()
        self._hangs = {point: hang for point, hang in self._hangs.items() if point in points}
        found: dict[str, FileSystemSpace | None] = {}
        waited = 0
        for point in points:
            hang = self._hangs.get(point)
            if hang is not None and (hang.left > 1 or waited >= HANGS_A_ROUND):
                hang.left -= 1
                found[point] = None
                continue
            told = await self._probe.ask("space", point, self._timeout_s)
            if told is not None:
                self._hangs.pop(point, None)
                found[point] = FileSystemSpace(*told)
            elif self._probe.has_hung or (hang is not None and self._probe.is_stuck):
                waited += self._probe.has_hung
                self._hangs[point] = _longer(hang)
                found[point] = None
        return found

    def _points(self) -> list[str]:
        try:
            text = (self._root / MOUNTS).read_text("utf-8", "replace")
        except OSError:
            return []
        return [mount.point for mount in mounts(text) if mount.is_remote]


def _longer(hang: _Hang | None) -> _Hang:
    pause = 1 if hang is None else min(2 * hang.pause, LONGEST_PAUSE)
    return _Hang(pause, pause)
