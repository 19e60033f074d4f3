"""What a place is good for is read from the kernel's table of mounts."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.runtime.file_systems import Durability, durability_of
from testkit.mounts import mountinfo

MOUNTS = (
    "20 1 8:1 / / rw - ext4 /dev/sda1 rw",
    "21 20 0:22 / /run rw - tmpfs tmpfs rw",
    r"22 20 0:40 / /srv/two\040words rw,relatime shared:1 master:2 - nfs4 a:/b rw",
    "23 20 0:41 / /merged rw - overlay overlay rw,lowerdir=/ro,upperdir=/run/upper,workdir=/run/work",
    "24 20 0:42 / /sshfs rw - fuse.sshfs user@host:/ rw",
    "25 20 0:43 / /twice rw - ext4 /dev/sdb rw",
    "26 25 0:44 / /twice rw - lustre mgs:/x rw",
    "a line that is none",
    "27 20 0:45 / /disk rw - xfs /dev/sdc rw",
)


@pytest.mark.parametrize(
    ("folder", "durability", "kind"),
    [
        ("/var/lib/slurmlens/spool", Durability.LASTING, "ext4"),
        ("/run/slurmlens", Durability.VOLATILE, "tmpfs"),
        ("/running", Durability.LASTING, "ext4"),
        ("/srv/two words/spool", Durability.NETWORK, "nfs4"),
        ("/merged/var/lib", Durability.VOLATILE, "tmpfs"),
        ("/sshfs/x", Durability.NETWORK, "fuse.sshfs"),
        ("/twice/x", Durability.NETWORK, "lustre"),
        ("/disk", Durability.LASTING, "xfs"),
    ],
)
def test_what_a_place_is_good_for_is_read_from_the_mounts(
    tmp_path: Path, folder: str, durability: Durability, kind: str
) -> None:
    assert durability_of(Path(folder), mountinfo(tmp_path, *MOUNTS)) == (durability, kind)


def test_a_place_on_a_network_is_known_without_asking_its_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hangs(path: Path) -> Path:
        raise AssertionError(f"{path} was looked at")

    monkeypatch.setattr(Path, "resolve", hangs)
    assert durability_of(Path("/sshfs/x"), mountinfo(tmp_path, *MOUNTS)) == (Durability.NETWORK, "fuse.sshfs")


def test_where_there_is_no_table_of_mounts_it_is_taken_for_a_disk(tmp_path: Path) -> None:
    assert durability_of(tmp_path, tmp_path / "no-proc") == (Durability.LASTING, "unknown")


@given(lines=st.lists(st.binary(max_size=80).filter(lambda line: b"\n" not in line), max_size=5))
def test_no_table_of_mounts_can_break_it(lines: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as proc:
        (Path(proc) / "self").mkdir()
        (Path(proc) / "self" / "mountinfo").write_bytes(b"\n".join(lines))
        durability, _ = durability_of(Path("/var/lib"), Path(proc))
        assert durability in Durability
