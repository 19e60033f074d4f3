"""Each source of software against the tree it reads: made up, and this machine's own dpkg and rpm beside it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.node.software import dpkg, machine, modules, python, reading, rpm, spack
from slurmlens.node.software.found import Installed, SoftwareLook, SourceProblem

STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9
Description: the C library
 with a second line: not a field

Package: libc6
Status: hold ok installed
Architecture: i386
Version: 2.36-9

Package: gone
Status: deinstall ok config-files
Version: 1.0

Package: half
Status: install ok half-configured
Architecture: all
Version: 0.1
"""


def write(root: Path, path: str, text: str | bytes = "") -> Path:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(text.encode() if isinstance(text, str) else text)
    return target


def test_dpkg_is_read_by_what_is_on_the_disk_whatever_is_wanted(tmp_path: Path) -> None:
    write(tmp_path, dpkg.STATUS, STATUS)
    assert list(dpkg.read(SoftwareLook(tmp_path))) == [
        Installed("libc6", "2.36-9", "amd64"),
        Installed("libc6", "2.36-9", "i386"),
        Installed("half", "0.1 (half-configured)", "all"),
    ]


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="this machine has no dpkg")
def test_dpkg_says_what_dpkg_query_says_on_this_machine() -> None:
    form = "${Package}\\t${Version}\\t${Architecture}\\t${db:Status-Status}\\n"
    told = subprocess.run(["dpkg-query", "-W", "-f", form], capture_output=True, text=True, check=True).stdout
    rows = (line.split("\t") for line in told.splitlines())
    wanted = {Installed(*row[:3]) for row in rows if row[3] == "installed"}
    found = set(dpkg.read(SoftwareLook(Path("/"))))
    assert wanted
    assert {one for one in found if "(" not in one.version} == wanted


def header(**tags: str) -> bytes:
    """A header as rpm's database has it."""
    numbers = {"name": 1000, "version": 1001, "release": 1002, "epoch": 1003, "arch": 1022}
    data, entries = b"", b""
    for name, value in tags.items():
        if name == "epoch":
            data += b"\0" * (-len(data) % 4)
            entries += struct.pack(">IIII", 1003, 4, len(data), 1)
            data += struct.pack(">I", int(value))
        else:
            entries += struct.pack(">IIII", numbers[name], 6, len(data), 1)
            data += value.encode() + b"\0"
    return struct.pack(">II", len(tags), len(data)) + entries + data


def test_rpm_headers_give_name_epoch_version_release_and_keys_are_no_packages() -> None:
    whole = header(name="kernel", version="5.14.0", release="427.el9", arch="x86_64")
    assert rpm.installed(whole) == Installed("kernel", "5.14.0-427.el9", "x86_64")
    with_epoch = header(name="bind", epoch="32", version="9.16", release="1", arch="x86_64")
    assert rpm.installed(with_epoch) == Installed("bind", "32:9.16-1", "x86_64")
    assert rpm.installed(header(name="gpg-pubkey", version="1", release="2")) is None


@given(st.binary(max_size=200) | st.binary(max_size=40).map(lambda end: header(name="a", version="1")[:-3] + end))
def test_a_header_that_makes_no_sense_is_no_package_and_nothing_is_raised(blob: bytes) -> None:
    found = rpm.installed(blob)
    assert found is None or found.name


def test_several_kernels_at_once_are_several_packages(tmp_path: Path) -> None:
    path = write(tmp_path, "var/lib/rpm/rpmdb.sqlite")
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
        blobs = [(header(name="kernel", version="5.14.0", release=release, arch="x86_64"),) for release in ("1", "2")]
        connection.executemany("INSERT INTO Packages (blob) VALUES (?)", blobs)
    connection.close()
    assert [one.version for one in rpm.read(SoftwareLook(tmp_path))] == ["5.14.0-1", "5.14.0-2"]


def test_another_form_of_rpms_database_is_said_to_be_one(tmp_path: Path) -> None:
    write(tmp_path, "var/lib/rpm/Packages", b"berkeley")
    with pytest.raises(SourceProblem, match="not of the form sqlite"):
        list(rpm.read(SoftwareLook(tmp_path)))


@pytest.mark.skipif(shutil.which("rpmbuild") is None, reason="this machine has no rpmbuild")
def test_rpm_says_what_rpm_says_of_a_real_database(tmp_path: Path) -> None:
    spec = "Name: lens\nVersion: 1.2\nRelease: 3\nEpoch: 4\nSummary: s\nLicense: MIT\nBuildArch: noarch\n"
    write(tmp_path, "lens.spec", f"{spec}%description\nd\n%files\n")
    top = f"_topdir {tmp_path}/top"
    subprocess.run(["rpmbuild", "-D", top, "-bb", tmp_path / "lens.spec"], capture_output=True, check=True)
    (package,) = (tmp_path / "top").rglob("*.rpm")
    database = tmp_path / "var/lib/rpm"
    command = ["rpm", "--dbpath", str(database), "-D", "_db_backend sqlite"]
    subprocess.run([*command, "-i", "--justdb", "--nodeps", str(package)], capture_output=True, check=True)
    assert list(rpm.read(SoftwareLook(tmp_path))) == [Installed("lens", "4:1.2-3", "noarch")]


def test_python_environments_are_read_without_running_them(tmp_path: Path) -> None:
    folder = "opt/env/lib/python3.11/site-packages"
    write(tmp_path, f"{folder}/Zope_Interface-6.0.dist-info/METADATA", "Name: Zope.Interface\nVersion: 6.0\n\ntext: no")
    write(tmp_path, f"{folder}/old-1.5-py3.11.egg-info", "Metadata-Version: 1.0\nName: old\nVersion: 1.5\n")
    write(tmp_path, f"{folder}/bare-2.0.dist-info/RECORD", "")
    write(tmp_path, "opt/env/conda-meta/mpi4py-3.1.4-py311h1.json", "{}")
    write(tmp_path, "opt/env/conda-meta/history", "")
    look = SoftwareLook(tmp_path, ("/opt/*/lib/python3*/site-packages",))
    assert sorted(python.read(look)) == [
        Installed("bare", "2.0", f"/{folder}"),
        Installed("mpi4py", "3.1.4", "/opt/env/conda-meta"),
        Installed("old", "1.5", f"/{folder}"),
        Installed("zope-interface", "6.0", f"/{folder}"),
    ]


def test_modules_are_files_of_lmod_and_of_tcl_and_hidden_ones_are_not(tmp_path: Path) -> None:
    write(tmp_path, "mods/gcc/12.2.0", "#%Module1.0\n")
    write(tmp_path, "mods/mpi/openmpi/4.1.lua", "-- lua")
    write(tmp_path, "mods/gcc/.modulerc", "#%Module\n")
    write(tmp_path, "mods/README", "no module")
    write(tmp_path, "mods/null", "#%Module1.0\n")
    os.symlink(tmp_path / "mods", tmp_path / "mods/loop")
    assert sorted(modules.read(SoftwareLook(tmp_path, ("/mods",)))) == [
        Installed("gcc", "12.2.0", "/mods"),
        Installed("mpi/openmpi", "4.1", "/mods"),
        Installed("null", "", "/mods"),
    ]


def test_spack_is_read_from_its_index_and_a_torn_index_is_said(tmp_path: Path) -> None:
    installs = {
        "abcdefghijk": {"spec": {"name": "hdf5", "version": "1.14.3"}, "installed": True},
        "zzzzzzzzzzz": {"spec": {"name": "gone", "version": "1"}, "installed": False},
    }
    index = write(tmp_path, "opt/spack/.spack-db/index.json", json.dumps({"database": {"installs": installs}}))
    look = SoftwareLook(tmp_path, ("/opt/spack", "/opt/spack/opt/spack"))
    assert list(spack.read(look)) == [Installed("hdf5", "1.14.3", "/opt/spack abcdefg")]
    for torn in (index.read_text()[:-20], "[]", '{"database": {"installs": {"a": 1}}}'):
        index.write_text(torn)
        with pytest.raises(SourceProblem, match=r"/opt/spack/.spack-db/index.json is no index"):
            list(spack.read(look))


def test_the_machine_tells_kernel_drivers_firmware_and_bios(tmp_path: Path) -> None:
    write(tmp_path, machine.KERNEL, "5.14.0-427.el9\n")
    write(tmp_path, "sys/module/nvidia/version", "550.54.15\n")
    write(tmp_path, "sys/class/infiniband/mlx5_0/fw_ver", "20.35.1012\n")
    write(tmp_path, "sys/class/dmi/id/bios_version", "U30")
    assert list(machine.read(SoftwareLook(tmp_path))) == [
        Installed("kernel", "5.14.0-427.el9", ""),
        Installed("nvidia", "550.54.15", "driver"),
        Installed("mlx5_0", "20.35.1012", "firmware"),
        Installed("bios_version", "U30", "dmi"),
    ]


def asked(root: Path, source: str, *folders: str) -> str:
    return json.dumps({"source": source, "root": str(root), "folders": folders})


def test_a_mark_changes_with_an_installation_and_a_source_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert reading.mark(asked(tmp_path, "dpkg")) == ""
    path = write(tmp_path, dpkg.STATUS, STATUS)
    before = reading.mark(asked(tmp_path, "dpkg"))
    assert before == reading.mark(asked(tmp_path, "dpkg")) != ""
    path.write_text(STATUS + "\n")
    assert reading.mark(asked(tmp_path, "dpkg")) != before


def test_names_are_cut_and_cleaned_and_doubles_are_one(tmp_path: Path) -> None:
    stanza = "Package: {}\nStatus: install ok installed\nVersion: 1\n\n"
    write(tmp_path, dpkg.STATUS, stanza.format("a\x1b[31m\x00") + 2 * stanza.format("b" * 300))
    told = reading.read(asked(tmp_path, "dpkg"))
    assert [one.name for one in told["packages"]] == ["a?[31m?", "b" * 255]


@pytest.mark.parametrize(("bound", "value"), [("MOST_PACKAGES", 2), ("MOST_TEXT", 20)])
def test_what_is_too_much_is_counted_and_said_and_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    monkeypatch.setattr(reading, bound, value)
    write(tmp_path, dpkg.STATUS, STATUS)
    told = reading.read(asked(tmp_path, "dpkg"))
    assert (told["packages"], told["count"]) == ([], 3)
    assert "name fewer folders" in told["problem"]


def test_a_file_that_may_not_be_read_is_a_problem_and_no_empty_list(tmp_path: Path) -> None:
    (tmp_path / dpkg.STATUS).mkdir(parents=True)
    assert "Is a directory" in reading.read(asked(tmp_path, "dpkg"))["problem"]
