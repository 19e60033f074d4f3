"""The C tests, under ASan and UBSan, and a short round of the fuzz target."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from testkit.checkout import ROOT

CEXT = ROOT / "cext"

pytestmark = pytest.mark.skipif(not (shutil.which("gcc") and shutil.which("make")), reason="no C compiler")


def _make(target: str, build: Path, *settings: str) -> str:
    made = subprocess.run(
        ["make", "-s", "-C", str(CEXT), target, f"BUILD={build}", *settings],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return made.stdout


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cext")


def test_the_c_tests_pass_under_the_sanitizers(build: Path) -> None:
    assert {"parse: ok", "reader: ok"} <= set(_make("test", build).splitlines())


def test_no_damaged_file_makes_a_parser_read_too_far(build: Path) -> None:
    _make("fuzz", build, "ROUNDS=20000")
