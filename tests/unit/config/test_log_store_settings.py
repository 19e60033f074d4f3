"""Where lines are kept, as settings: what cannot be meant is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmlens.config.hub import HubConfig
from slurmlens.config.load import examine


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ('index = "logstash-*"', "set read_only = true"),
        ('user = "hub"', "is needed beside user"),
        ('url = "search:9200"', "http(s)://HOST:PORT"),
        ('index = "Upper"', "small letters"),
    ],
)
def test_a_search_server_that_cannot_be_meant_is_named(tmp_path: Path, settings: str, words: str) -> None:
    path = tmp_path / "hub.toml"
    path.write_text(f"[logs]\nstore = 'opensearch'\n[logs.opensearch]\n{settings}\n")
    _, errors = examine(HubConfig, path)
    assert [words in str(error) for error in errors] == [True], errors
