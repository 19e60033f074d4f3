"""Python packages, from the metadata in the folders that the settings name; no interpreter of an environment is run.

A distribution has a folder `NAME-VERSION.dist-info` (or a file or folder `….egg-info`) in the environment's
site-packages; its METADATA (PKG-INFO) begins with `Name` and `Version` (packaging.python.org, "Recording installed
projects"). Names are normalised as PEP 503 says. A conda environment has `conda-meta/NAME-VERSION-BUILD.json` beside
its `lib`. The place of a package is its environment. Read in the probe's process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from slurmlens.node.software.found import Installed, SoftwareLook

_HEAD_BYTES = 4096
_CONDA = re.compile(r"(?P<name>.+)-(?P<version>[^-]+)-[^-]+\.json")


def watched(look: SoftwareLook) -> Iterator[Path]:
    """The folders: an installation makes or removes an entry of theirs."""
    for folder in look.places():
        yield folder
        yield _conda_meta(folder)


def read(look: SoftwareLook) -> Iterator[Installed]:
    """Everything in every environment."""
    seen: set[Path] = set()
    for folder in look.places():
        place = look.shown(folder)
        for entry in folder.iterdir():
            if entry.name.endswith((".dist-info", ".egg-info")):
                yield _distribution(entry, place)
        conda = _conda_meta(folder)
        if conda not in seen and conda.is_dir():
            seen.add(conda)
            yield from _conda(conda, look.shown(conda))


def _conda_meta(site_packages: Path) -> Path:
    """`PREFIX/conda-meta` of `PREFIX/lib/pythonX.Y/site-packages`."""
    return site_packages.parent.parent.parent / "conda-meta"


def _conda(folder: Path, place: str) -> Iterator[Installed]:
    for entry in folder.iterdir():
        match = _CONDA.fullmatch(entry.name)
        if match is not None:
            yield Installed(match["name"], match["version"], place)


def _distribution(entry: Path, place: str) -> Installed:
    """By its metadata; by the name of its folder where that has none."""
    stem = entry.name.rsplit(".", 1)[0]
    name, _, version = stem.partition("-")
    told = _headers(entry)
    return Installed(_normalised(told.get("name", name)), told.get("version", version.split("-py")[0]), place)


def _headers(entry: Path) -> dict[str, str]:
    for path in (entry / "METADATA", entry / "PKG-INFO", entry):
        try:
            with path.open("rb") as file:
                text = file.read(_HEAD_BYTES).decode("utf-8", "replace")
        except OSError:
            continue
        pairs = (line.partition(":") for line in text.split("\n\n", 1)[0].splitlines())
        return {field.strip().lower(): value.strip() for field, _, value in pairs if field in ("Name", "Version")}
    return {}


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
