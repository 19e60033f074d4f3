"""While hooks come one after the other the dropbox is left alone: until they pause, but not for ever."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from slurmlens.dropbox import watch

STEPS = round(watch.LONGEST_SETTLING_S / watch.QUIET_S)


def hooks(folder: Path, count: int) -> Iterator[str]:
    """A hook's file at each step, as the hook makes it."""
    for number in range(count):
        temporary = folder / ".temporary"
        temporary.write_bytes(b"{}")
        yield temporary.rename(folder / f"{number:03}.json").name


@pytest.mark.parametrize(
    ("hooks_more", "seen"),
    [(0, 1), (3, 4), (1000, 1 + STEPS)],
    ids=["one alone", "a burst that ends", "a burst without end"],
)
async def test_a_burst_is_seen_at_once_when_it_is_over_or_lasts_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hooks_more: int, seen: int
) -> None:
    coming = hooks(tmp_path, 1 + hooks_more)
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        next(coming, None)

    folder_watch = watch.DropboxWatch(tmp_path)
    next(coming)
    monkeypatch.setattr(watch.asyncio, "sleep", pause)
    stir = await folder_watch.wait(1.0)
    folder_watch.close()
    assert len(stir.names) == seen
    assert sum(pauses) <= watch.LONGEST_SETTLING_S + watch.QUIET_S / 2
