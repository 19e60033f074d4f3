"""The Debian packages that are installed in the virtual machine of a release."""

from __future__ import annotations

from pathlib import Path

from deploy.vm.image import SUITES

from testkit.checkout import ROOT


def packages_for(release: str) -> list[Path]:
    """Those that `make deb` made here, or `python -m deploy.vm.packages` for the release's own Debian."""
    own = [*(ROOT / "dist" / release).glob("slurmlens*.deb")]
    return own or ([*(ROOT / "dist").glob("slurmlens*.deb")] if SUITES[release] == "bookworm" else [])
