"""The mutation run itself is `make test-mutation`; here, that its list still fits the source."""

from __future__ import annotations

from pathlib import Path

import pytest

from conservation.mutations import MUTATIONS, Mutation, apply
from testkit.checkout import ROOT


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_what_a_mutation_breaks_is_there_to_be_broken(mutation: Mutation, tmp_path: Path) -> None:
    relative = Path("daemon/slurmlens") / mutation.path
    copy = tmp_path / relative
    copy.parent.mkdir(parents=True)
    copy.write_text((ROOT / relative).read_text())
    apply(mutation, tmp_path)
    broken = copy.read_text()
    compile(broken, mutation.path, "exec")
    assert broken != (ROOT / relative).read_text()
