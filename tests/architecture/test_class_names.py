"""One thing, one name: a class of the package is found by its name alone."""

from __future__ import annotations

import re
from collections import defaultdict

from testkit.checkout import ROOT


def test_a_class_name_exists_once_in_the_package() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "daemon" / "slurmlens").rglob("*.py")):
        for name in re.findall(r"^class (\w+)", path.read_text(), re.MULTILINE):
            places[name].append(str(path.relative_to(ROOT)))
    assert {name: files for name, files in places.items() if len(files) > 1} == {}
