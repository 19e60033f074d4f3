"""What every test may ask for: a clock turned by hand, golden files, and the refusal to skip silently."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from testkit.manual_clock import ManualClock

pytest_plugins = ["testkit.components", "testkit.budget"]

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files; review them as code")
    parser.addoption(
        "--history-on",
        choices=("sqlite", "postgresql"),
        default="sqlite",
        help="where tests of the hub's history keep it; with postgresql these tests alone are run",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL only the tests that take whichever database they are given."""
    if config.getoption("--history-on") == "sqlite":
        return
    kept = [item for item in items if "database_url" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """Where SLURMLENS_REQUIRE_ALL is set, a skip is a failure: CI must run everything."""
    report = yield
    if report.skipped and os.environ.get("SLURMLENS_REQUIRE_ALL") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped although SLURMLENS_REQUIRE_ALL is set: {report.longrepr}"
    return report


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """`golden(name, text)` compares with tests/golden/name, or rewrites it under --update-golden."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"no golden file {name}: run `make golden`"
        assert text == path.read_text()

    return check
