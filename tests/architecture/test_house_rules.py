"""The rules of the house that no other tool checks, each with its reason in the assertion's message."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.checkout import ROOT

PACKAGE = ROOT / "daemon" / "slurmlens"
SOURCES = sorted(PACKAGE.rglob("*.py"))
ALL_PYTHON = sorted(path for folder in ("daemon", "deploy", "bench", "tests") for path in (ROOT / folder).rglob("*.py"))
C_SOURCES = sorted(path for folder in ("cext", "slurm_hooks") for path in (ROOT / folder).rglob("*.c"))

MODULE_LINES_MAX = 500
TEST_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
C_FUNCTION_LINES_MAX = 90
EMPTY_NAMES = {"utils", "helpers", "common", "misc", "manager", "base_utils"}


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def imported_modules(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def c_function_lengths(text: str) -> Iterator[tuple[int, int]]:
    """(first line, lines) of every function: from an opening brace in column 0 to the closing one."""
    opened = None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("{"):
            opened = number
        elif line.startswith("}") and opened is not None:
            yield opened, number - opened + 1
            opened = None


@pytest.mark.parametrize("path", ALL_PYTHON, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_fits_in_a_readers_head(path: Path) -> None:
    limit = TEST_LINES_MAX if "tests" in path.parts else MODULE_LINES_MAX
    text = path.read_text()
    assert len(text.splitlines()) <= limit, "split it by what it does"
    too_long = [
        f"{function.name}:{function.lineno}"
        for function in functions(ast.parse(text))
        if (function.end_lineno or 0) - function.lineno >= FUNCTION_LINES_MAX
    ]
    assert not too_long, "a function fits the eye"


@pytest.mark.parametrize("path", C_SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_c_function_fits_the_eye(path: Path) -> None:
    assert [start for start, lines in c_function_lengths(path.read_text()) if lines > C_FUNCTION_LINES_MAX] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_says_what_it_owns(path: Path) -> None:
    text = path.read_text()
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), "a module begins with what it owns, who feeds it and whom it feeds"


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [path for path in ALL_PYTHON if path.stem in EMPTY_NAMES] == []


def test_only_the_cgroup_package_imports_the_c_extension() -> None:
    """import-linter cannot see compiled modules, so this rule lives here."""
    offenders = [
        path.relative_to(PACKAGE)
        for path in SOURCES
        if "cgroup" not in path.relative_to(PACKAGE).parts
        and any(module.endswith("_cgroup") for module in imported_modules(ast.parse(path.read_text())))
    ]
    assert offenders == []


def test_the_daemon_folder_is_no_package() -> None:
    """PyPI's python-daemon owns the module name `daemon`."""
    assert not (ROOT / "daemon" / "__init__.py").exists()


def test_deploy_starts_programs_and_imports_nothing_of_slurmlens() -> None:
    offenders = [
        path.relative_to(ROOT)
        for path in (ROOT / "deploy").rglob("*.py")
        if any(module.split(".")[0] == "slurmlens" for module in imported_modules(ast.parse(path.read_text())))
    ]
    assert offenders == []


def test_test_files_have_names_of_their_own() -> None:
    """mypy refuses two files of one name in folders without `__init__.py`."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


def test_metric_names_end_in_unit_or_kind() -> None:
    from slurmlens.metrics import METRICS

    ending = re.compile(r"_(cores|bytes|bytes_per_second|ratio|count)$")
    assert [metric.name for metric in METRICS if not ending.search(metric.name)] == []


def test_every_module_of_the_wire_has_a_test() -> None:
    """By a file that is there for the wire: everything imports the wire, so an import elsewhere shows nothing."""
    imported = {
        module
        for path in (ROOT / "tests/unit/wire").glob("test_*.py")
        for module in imported_modules(ast.parse(path.read_text()))
    }
    modules = {f"slurmlens.wire.{path.stem}" for path in (PACKAGE / "wire").glob("[a-z]*.py")}
    assert modules - imported == set()
