"""Where the checkout is that the tests run in."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The folder that has `Makefile`."""

FIXTURES = ROOT / "tests" / "fixtures"
