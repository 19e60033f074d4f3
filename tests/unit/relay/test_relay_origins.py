"""Which nodes are a relay's: a host list of the settings, read as text."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmlens.errors import ConfigError
from slurmlens.relay.origins import nodes_of


def test_a_host_list_is_its_names() -> None:
    assert nodes_of("c[1-3,07],login") == {"c1", "c2", "c3", "c07", "login"}


@pytest.mark.parametrize("text", ["@rack1", "c1,@*", "@x:$(touch SPOILT)", "c[1-2]!@rack"])
def test_group_syntax_asks_nobody_and_runs_nothing(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ClusterShell would ask the upcalls of its configuration, which are commands."""
    spoilt = tmp_path / "spoilt"
    (tmp_path / "groups.conf").write_text(
        f"[Main]\ndefault: x\n[x]\nmap: touch {spoilt}; echo c9\nall: touch {spoilt}; echo c9\nlist: touch {spoilt}\n"
    )
    monkeypatch.setenv("CLUSTERSHELL_CFGDIR", str(tmp_path))
    try:
        names = nodes_of(text)
    except ConfigError:
        names = frozenset()
    assert "c9" not in names
    assert not spoilt.exists()


def test_what_is_no_host_list_is_an_error_that_names_the_key() -> None:
    with pytest.raises(ConfigError, match="nodes"):
        nodes_of("c[1-")
