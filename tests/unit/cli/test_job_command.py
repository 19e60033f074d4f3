"""`slurmlens job` and `slurmlens jobs` against a real server: the report, and errors that say what to do."""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from slurmlens.cli.ask import hub as hub_client
from slurmlens.cli.commands import job, jobs
from slurmlens.errors import HubError
from slurmlens.runtime.local_zone import LocalZone
from testkit.job_hub import gallery_id, make_gallery_app


@pytest.fixture
async def hub() -> AsyncIterator[str]:
    app, _ = make_gallery_app()
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


async def call(command: ModuleType, *arguments: str) -> int:
    """The command as `slurmlens` would run it, beside the server's loop."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    status: int = await asyncio.to_thread(command.run, parser.parse_args(arguments))
    return status


async def test_the_report_of_a_job_is_shown(hub: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await call(job, str(gallery_id("failed_on_faulty_node")), "--hub", hub) == 0
    text = capsys.readouterr().out
    assert text.startswith("Job 4712  gemm  alice (acct1)  partition all")
    assert "Batch script exited with 42" in text
    assert text.endswith(f"  {hub}/jobs/4712\n")
    assert "\x1b" not in text, "no colour where there is no terminal"


async def test_a_run_can_be_named_and_a_wrong_one_is_told(hub: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await call(job, "4720", "--run", "1", "--hub", hub) == 0
    assert "run 1 of 2" in capsys.readouterr().out
    assert await call(job, "4720", "--run", "9", "--hub", hub) == hub_client.EXIT_NO_SUCH
    assert "The hub knows no run 9 of job 4720" in capsys.readouterr().err


async def test_json_is_the_hubs_own(hub: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await call(job, "4712", "--json", "--hub", hub) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "FAILED"


async def test_the_time_line_is_told_in_order_and_as_the_hubs_json(
    hub: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = str(gallery_id("failed_on_faulty_node"))
    assert await call(job, job_id, "--timeline", "--margin", "60", "--hub", hub) == 0
    text = capsys.readouterr().out
    assert text.startswith("Time line of job 4712  gemm")
    assert text.index("submitted") < text.index("prolog") < text.index("ended: FAILED 42:0")
    assert await call(job, job_id, "--timeline", "--json", "--hub", hub) == 0
    view = json.loads(capsys.readouterr().out)
    assert view["margin_s"] == 300
    assert {one["node"] for one in view["series"]} == {"c1", "c2"}
    assert await call(job, "99", "--timeline", "--hub", hub) == hub_client.EXIT_NO_SUCH
    assert await call(job, job_id, "--timeline", "--margin", "99999", "--hub", hub) == hub_client.EXIT_USAGE
    assert "Whole seconds from 0 to 86400" in capsys.readouterr().err


async def test_an_unknown_job_says_what_to_do(hub: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await call(job, "99", "--hub", hub) == hub_client.EXIT_NO_SUCH
    message = capsys.readouterr().err
    assert message.startswith("slurmlens job: The hub knows no job 99.")
    assert "reload" in message or "submitted" in message


async def test_a_hub_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        assert await call(job, "1", "--hub", address) == hub_client.EXIT_NO_HUB
    message = capsys.readouterr().err
    assert address in message
    assert "Is slurmlens-hub running there?" in message


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"{}", b"[1", b'{"version": 1}'])
async def test_something_else_than_a_hub_is_recognised(body: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    async def other(request: web.Request) -> web.Response:
        return web.Response(body=body)

    app = web.Application()
    app.router.add_get("/{anything:.*}", other)
    async with TestServer(app) as server:
        assert await call(job, "1", "--hub", str(server.make_url("/"))) == hub_client.EXIT_NO_HUB
    assert "none of a hub of this release" in capsys.readouterr().err


async def test_an_error_page_of_a_stranger_is_not_printed_raw(capsys: pytest.CaptureFixture[str]) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=502, body=b'{"message": "\\u001b[2Jbad gateway", "advice": ""}')

    app = web.Application()
    app.router.add_get("/{anything:.*}", refuse)
    async with TestServer(app) as server:
        assert await call(job, "1", "--hub", str(server.make_url("/"))) == hub_client.EXIT_NO_HUB
    assert "␛[2Jbad gateway" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["abc", "0", "-1", "4711;rm", "4711.json", ""])
def test_what_is_no_job_id_is_a_usage_error(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    job.add_arguments(parser)
    with pytest.raises(SystemExit) as ended:
        parser.parse_args([f"--run={text}", "1"] if text.startswith("-") else [text])
    assert ended.value.code == hub_client.EXIT_USAGE
    said = capsys.readouterr().err
    assert "is no job id" in said or "is no number that Slurm would give" in said


def test_help_shows_an_example_and_the_exit_statuses() -> None:
    for command in (job, jobs):
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        text = parser.format_help()
        assert "example:" in text
        assert f"{hub_client.EXIT_NO_HUB}  the hub did not answer" in text


async def test_the_list_takes_filters_and_names_a_wrong_one(hub: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await call(jobs, "--state", "failed", "--hub", hub) == 0
    text = capsys.readouterr().out
    assert "✕ failed" in text
    assert "✓ completed" not in text
    assert await call(jobs, "--state", "sleepy", "--hub", hub) == hub_client.EXIT_USAGE
    assert "is no state. One of: boot_fail" in capsys.readouterr().err


def test_the_address_comes_from_flag_variable_or_default() -> None:
    variable = {"SLURMLENS_HUB": "http://hub:6830/"}
    assert hub_client.hub_address("http://other:1", variable) == "http://other:1"
    assert hub_client.hub_address(None, variable) == "http://hub:6830"
    assert hub_client.hub_address(None, {}).startswith("http://")
    for wrong in ("hub:6830", "file:///etc/passwd", "ftp://x", "http://"):
        with pytest.raises(HubError, match="is no address of a hub"):
            hub_client.hub_address(wrong, {})


def test_a_hub_of_this_machine_with_tls_is_asked_by_tls_and_by_the_name_in_its_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = 'certificate_file = "/etc/slurmlens/hub.pem"\nkey_file = "/etc/slurmlens/hub.key"\n'
    settings = tmp_path / "hub.toml"
    monkeypatch.setattr(hub_client, "HUB_PATH", settings)
    settings.write_text(f'[listen]\nhost = "hub.example.org"\n{files}')
    assert hub_client.hub_address(None, {}) == "https://hub.example.org:6830"
    settings.write_text(f'[listen]\nhost = "0.0.0.0"\n{files}')
    assert hub_client.hub_address(None, {}) == f"https://{socket.getfqdn()}:6830"


def test_the_readers_zone_knows_summer_and_winter(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        winter = datetime.datetime.fromtimestamp(1_795_435_200, LocalZone())
        summer = datetime.datetime.fromtimestamp(1_782_216_000, LocalZone())
        assert (winter.hour, winter.tzname()) == (13, "CET")
        assert (summer.hour, summer.tzname()) == (14, "CEST")
    finally:
        monkeypatch.undo()
        time.tzset()
