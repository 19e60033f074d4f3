"""A small file is the old one or the new one, never a part."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from slurmlens.runtime.whole_file import write_whole


def test_the_new_content_replaces_the_old_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "known.json"
    for content in (b"a longer one", b"short"):
        write_whole(path, content)
        assert path.read_bytes() == content
    assert [one.name for one in tmp_path.iterdir()] == ["known.json"]
    assert stat.S_IMODE(path.stat().st_mode) & 0o137 == 0


def test_a_link_in_the_place_of_the_file_beside_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (tmp_path / ".known.json.tmp").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        write_whole(tmp_path / "known.json", b"x")
    assert victim.read_bytes() == b"mine"
