"""What the command line writes: JSON stays JSON, and nothing of a stranger's acts in a terminal."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.cli.show import screen


class Terminal:
    """Standard output that is a terminal, or a pipe."""

    encoding = "utf-8"

    def __init__(self, *, is_terminal: bool) -> None:
        self.is_terminal = is_terminal
        self.written = ""

    def isatty(self) -> bool:
        return self.is_terminal

    def write(self, text: str) -> None:
        self.written += text

    def flush(self) -> None:
        pass


def written(body: bytes, *, is_terminal: bool) -> str:
    terminal = Terminal(is_terminal=is_terminal)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", terminal)
        screen.show_json(body)
    return terminal.written


@given(st.text(max_size=60))
def test_json_on_a_terminal_is_ascii_and_means_the_same(text: str) -> None:
    body = json.dumps({"name": text}, ensure_ascii=False).encode("utf-8", "surrogatepass")
    shown = written(body, is_terminal=True)
    assert shown.isascii()
    assert "\x1b" not in shown
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert json.loads(shown) == {"name": text}


def test_json_in_a_pipe_is_as_it_came() -> None:
    assert written('{"name":"größe"}\n'.encode(), is_terminal=False) == '{"name":"größe"}\n'


def test_a_control_character_that_terminals_obey_is_escaped() -> None:
    assert written('{"a":"\u009b31m\u202e"}'.encode(), is_terminal=True) == '{"a":"\\u009b31m\\u202e"}'
