"""What the package declares of itself: its licence, and extras that nobody gets unasked."""

from __future__ import annotations

import tomllib

from testkit.checkout import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_licence_is_declared_and_lies_beside_it() -> None:
    assert PROJECT["license"] == "BSD-3-Clause"
    assert PROJECT["license-files"] == ["LICENSE"]
    assert (ROOT / "LICENSE").read_text().startswith("BSD 3-Clause License")


def test_pyslurm_is_installed_by_its_own_extra_alone() -> None:
    """It fits one release of Slurm and is built against its headers: nothing else may ask for it."""
    extras = PROJECT["optional-dependencies"]
    asking = [name for name, wanted in extras.items() if any("pyslurm" in one for one in wanted)]
    assert asking == ["pyslurm"]
    assert not any("pyslurm" in one for one in PROJECT["dependencies"])
    assert "pyslurm" not in (ROOT / "requirements.lock").read_text()


def test_every_package_that_is_installed_has_its_reason() -> None:
    reasons = (ROOT / "docs/adr/0002-dependencies.md").read_text().lower()
    wanted = [*PROJECT["dependencies"], *(one for extra in PROJECT["optional-dependencies"].values() for one in extra)]
    names = {one.partition("[")[0].partition(">")[0].partition("=")[0].lower() for one in wanted}
    assert {name for name in names if not name.startswith("types-") and name not in reasons} == set()


def test_the_changelog_has_what_is_not_released_yet_first() -> None:
    headings = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## ")]
    assert headings[0] == "## Unreleased"
