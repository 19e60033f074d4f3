"""Man pages and completion say what the commands take, and the shell accepts them."""

from __future__ import annotations

import runpy
import subprocess

import pytest

from slurmlens.cli.main import COMMANDS
from testkit.checkout import ROOT

BASH = ROOT / "etc" / "completion" / "slurmlens.bash"


def completions(*words: str) -> list[str]:
    """What bash offers for the last of the words."""
    script = (
        f'source {BASH}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); complete -p slurmlens >/dev/null || exit 1; '
        "_shtab_slurmlens; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_the_files_are_made_from_the_parsers() -> None:
    for path, text in runpy.run_path(str(ROOT / "docs" / "generate_cli.py"))["files"]().items():
        assert path.read_text() == text, f"{path}: run docs/generate_cli.py and look at the change"


def test_bash_completes_commands_and_their_options() -> None:
    assert set(completions("slurmlens", "")) >= set(COMMANDS)
    assert completions("slurmlens", "status", "--clo") == ["--closely"]
    assert set(completions("slurmlens", "validate", "--program", "")) == {"node", "hub", "relay"}


@pytest.mark.parametrize("name", ["slurmlens", *(f"slurmlens-{name}" for name in COMMANDS)])
def test_every_command_has_a_page_without_errors(name: str) -> None:
    page = ROOT / "docs" / "man" / f"{name}.1"
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", page], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert ".SH NAME" in page.read_text()
