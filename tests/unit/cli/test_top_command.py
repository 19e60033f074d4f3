"""`slurmlens top` off a terminal is plain text, once; on one it draws over what stood there."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp.test_utils import TestServer

from slurmlens.cli.commands.top import frame
from slurmlens.cli.main import main
from testkit.job_hub import make_gallery_app


async def test_off_a_terminal_it_is_plain_text_once(capsys: pytest.CaptureFixture[str]) -> None:
    app, _ = make_gallery_app()
    async with TestServer(app) as server:
        status = await asyncio.to_thread(main, ["top", "--hub", str(server.make_url(""))])
    text = capsys.readouterr().out
    assert status == 0
    assert " running, " in text.splitlines()[0]
    assert "\x1b" not in text


def test_without_a_hub_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", "--hub", "http://127.0.0.1:9"]) == 3
    assert "slurmlens top: no answer from the hub" in capsys.readouterr().err


def test_a_frame_leaves_nothing_of_the_one_before() -> None:
    drawn = frame("a\nb\n")
    assert drawn.startswith("\x1b[H")
    assert drawn.count("\x1b[K") == 2
    assert drawn.endswith("\x1b[J")
