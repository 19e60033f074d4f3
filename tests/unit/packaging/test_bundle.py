"""What the packages bring of Python is what the program declares, at the versions that the tests ran with."""

from __future__ import annotations

import re
import tomllib

from testkit.checkout import ROOT


def name_of(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def pinned(text: str) -> dict[str, str]:
    """Version by name of the lines `name==version`."""
    return {
        name.lower().replace("_", "-"): version
        for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE)
    }


BUNDLE = (ROOT / "packaging/bundle.txt").read_text()


def test_every_dependency_of_node_hub_and_their_extras_is_in_the_bundle() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    brought = [one for extra in ("hub", "kafka", "postgresql", "nvidia") for one in extras[extra]]
    declared = {name_of(one) for one in [*project["dependencies"], *brought]}
    assert declared - pinned(BUNDLE).keys() == set(), "run packaging/lock_bundle.py"


def test_the_bundle_has_the_versions_that_tests_ran_with() -> None:
    locked = pinned((ROOT / "requirements.lock").read_text())
    bundle = pinned(BUNDLE)
    assert {name: bundle[name] for name in bundle.keys() & locked.keys()} == {
        name: locked[name] for name in bundle.keys() & locked.keys()
    }


def test_no_line_of_the_bundle_is_without_a_hash() -> None:
    entries = BUNDLE.replace("\\\n", " ").splitlines()[1:]
    assert entries
    assert all("--hash=sha256:" in line for line in entries)


def test_the_spec_has_the_programs_version() -> None:
    from slurmlens import __version__

    spec = (ROOT / "packaging/slurmlens.spec").read_text()
    assert re.search(r"^Version: (.*)$", spec, re.MULTILINE)[1] == __version__  # type: ignore[index]
