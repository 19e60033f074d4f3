"""By dpkg itself: the line of plugstack.conf comes and goes with the plugin's package, as the site wrote it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from testkit.checkout import ROOT

LINE = "etc/slurm/plugstack.conf.d/slurmlens.conf"
CONTROL = "Package: plugin\nVersion: {version}\nArchitecture: all\nMaintainer: a <a@localhost>\nDescription: a plugin\n"

pytestmark = pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is Debian's")


class Site:
    """A root folder with dpkg's own records, and packages that have the scripts of ours."""

    def __init__(self, folder: Path) -> None:
        self.root, self._packages = folder / "root", folder
        (self.root / "var/lib/dpkg/updates").mkdir(parents=True)
        for name in ("status", "available"):
            (self.root / "var/lib/dpkg" / name).touch()

    def install(self, version: str = "1") -> None:
        made = self._packages / version
        (made / LINE).parent.mkdir(parents=True)
        (made / LINE).write_text("optional /x.so\n")
        (made / "DEBIAN").mkdir()
        (made / "DEBIAN/control").write_text(CONTROL.format(version=version))
        (made / "DEBIAN/conffiles").write_text(f"/{LINE}\n")
        for script in ("preinst", "postrm"):
            text = (ROOT / f"packaging/scriptlets/spank.{script}").read_text()
            (made / "DEBIAN" / script).write_text("#!/bin/sh\n" + text)
            (made / "DEBIAN" / script).chmod(0o755)
        deb = self._packages / f"{version}.deb"
        subprocess.run(["dpkg-deb", "-Znone", "--root-owner-group", "--build", made, deb], check=True)
        self.dpkg("-i", str(deb))

    def dpkg(self, *arguments: str) -> None:
        chrootless = ["--force-script-chrootless", "--force-not-root", "--force-bad-path", "--force-unsafe-io"]
        argv = ["dpkg", f"--root={self.root}", f"--log={self._packages}/log", *chrootless, *arguments]
        subprocess.run(argv, check=True, capture_output=True)

    @property
    def included(self) -> list[str]:
        """What `include /etc/slurm/plugstack.conf.d/*.conf` reads."""
        return [path.read_text() for path in sorted((self.root / LINE).parent.glob("*.conf"))]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    made.install()
    return made


def test_the_line_goes_with_the_package_and_comes_back_as_the_site_left_it(site: Site) -> None:
    assert site.included == ["optional /x.so\n"]
    (site.root / LINE).write_text("optional /x.so options=yes\n")
    site.dpkg("-r", "plugin")
    assert site.included == []
    site.install("2")
    assert site.included == ["optional /x.so options=yes\n"]


def test_an_upgrade_never_takes_the_line_away(site: Site) -> None:
    site.install("2")
    assert site.included == ["optional /x.so\n"]


def test_a_purge_leaves_nothing(site: Site) -> None:
    site.dpkg("-r", "plugin")
    site.dpkg("-P", "plugin")
    assert not (site.root / LINE).parent.exists()
