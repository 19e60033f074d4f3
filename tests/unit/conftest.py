"""What tests of node and relay need."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def unpacked_recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `MovingTree` keeps recordings that were unpacked once."""
    return tmp_path_factory.mktemp("recordings")
