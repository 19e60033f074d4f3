"""The program slurmlens-hub as a process: Slurm's commands are recordings, everything else is real."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import pwd
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import CookieJar

from slurmlens.cli.main import main as slurmlens
from slurmlens.clock import SystemClock
from slurmlens.config.load import load_hub
from slurmlens.config.node import BatchConfig
from slurmlens.config.sinks import HubSinkConfig, SinksConfig
from slurmlens.delivery.receivers import SinkDependencies, receivers
from slurmlens.delivery.sinks.hub import HubSink
from slurmlens.errors import DeliveryError
from slurmlens.hub.main import serve
from slurmlens.hub.pipeline import HubPipeline
from slurmlens.runtime import munge
from slurmlens.runtime.service import EXIT_ENDED
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire import ecs
from testkit.certificates import Authority, Identity
from testkit.checkout import ROOT
from testkit.manual_clock import ManualClock
from testkit.private_munged import missing, private_munged
from testkit.told_events import Told, at_ns
from testkit.waiting import until

FIXTURES = ROOT / "tests/fixtures/slurm/22.05"
TOKEN = "0123456789abcdef"
JOB = Told(job_id=2, node="d-compute0")
"""Job 2 of the recording failed with 42 on this node; its start there was at 1795424345."""

START_S = 1795424345 - at_ns(0) / 1e9


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration, a token file, and commands that answer from recordings."""
    answers = {"squeue": "squeue.outcomes.json", "scontrol": "scontrol_show_node.txt", "sacct": "sacct.txt"}
    for name, recording in answers.items():
        (tmp_path / name).write_text(
            f'#!/bin/sh\nif [ "$1" = --version ]; then echo slurm-wlm 22.05.8; else cat {FIXTURES / recording}; fi\n'
        )
        (tmp_path / name).chmod(0o755)
    (tmp_path / "tokens").write_text(f"d-compute0 {TOKEN}\n")
    (tmp_path / "tokens").chmod(0o600)
    commands = "\n".join(f'{name} = "{tmp_path}/{name}"' for name in answers)
    (tmp_path / "hub.toml").write_text(
        f"""cluster = "demo"
runtime_path = "{tmp_path}"
[listen]
port = 0
[database]
url = "sqlite:///{tmp_path}/hub.sqlite3"
[auth]
munge = false
token_file = "{tmp_path}/tokens"
[slurm]
poll_interval_s = 1
{commands}
[log]
format = "json"
"""
    )
    return tmp_path


def with_tls(folder: Path, identity: Identity, **more: Path) -> None:
    """The hub shows this certificate."""
    files = {"certificate_file": identity.certificate, "key_file": identity.key, **more}
    lines = "".join(f'{key} = "{path}"\n' for key, path in files.items())
    settings = (folder / "hub.toml").read_text()
    (folder / "hub.toml").write_text(settings.replace("[listen]\n", f"[listen]\n{lines}"))


@asynccontextmanager
async def sink(folder: Path, url: str, **settings: Any) -> AsyncIterator[HubSink]:
    """What a node delivers with."""
    (folder / "token").write_text(TOKEN)
    (folder / "token").chmod(0o600)
    config = HubSinkConfig(url=url, auth="token", token_file=folder / "token", **settings)
    dependencies = SinkDependencies(
        JOB.node, BatchConfig(), Reporter(Counters(), ManualClock()), ManualClock(), lambda _: None
    )
    [made] = receivers(SinksConfig(hub=config), dependencies)
    assert isinstance(made.sink, HubSink)
    yield made.sink
    await made.sink.aclose()


async def refused(folder: Path, url: str, **settings: Any) -> str:
    """Why nothing is delivered."""
    async with sink(folder, url, **settings) as client:
        with pytest.raises(DeliveryError) as caught:
            await client.deliver(ecs.encode(JOB.start(START_S)) + b"\n", 1)
    assert caught.value.retriable
    return str(caught.value)


async def start(folder: Path) -> Process:
    environment = os.environ | {"PYTHONPATH": f"{ROOT}/daemon", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "slurmlens.hub.main", "--config", f"{folder}/hub.toml"]
    return await asyncio.create_subprocess_exec(*command, env=environment, stdout=PIPE, stderr=PIPE)


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[Process, str]]:
    """A hub that answers, and its address."""
    process = await start(folder)
    assert process.stdout is not None
    scheme = "https" if "certificate_file" in (folder / "hub.toml").read_text() else "http"
    try:
        async with asyncio.timeout(60):
            while line := await process.stdout.readline():
                told = json.loads(line)
                if told["event"] == "hub_started":
                    break
            else:
                assert process.stderr is not None
                raise AssertionError((await process.stderr.read()).decode())
        yield process, f"{scheme}://127.0.0.1:{told['port']}"
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def send(session: aiohttp.ClientSession, url: str, *events: Any) -> dict[str, Any]:
    body = gzip.compress(b"\n".join(ecs.encode(event) for event in events))
    headers = {"X-Slurmlens-Node": JOB.node, "Authorization": f"Bearer {TOKEN}", "Content-Encoding": "gzip"}
    async with session.post(f"{url}/api/v1/events", data=body, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()  # type: ignore[no-any-return]


async def view_when(session: aiohttp.ClientSession, url: str, state: str) -> dict[str, Any]:
    """The job's view once it says so and has the hooks' word too; all of it comes about in the background."""
    async with asyncio.timeout(30):
        while True:
            async with session.get(f"{url}/jobs/2.json") as answer:
                view: dict[str, Any] = await answer.json() if answer.status == 200 else {}
            is_ended = view.get("state_text") == state and view["phase"] == "ended"
            if is_ended and view["times"]["start_source"] == "hook":
                return view
            await asyncio.sleep(0.05)


async def test_events_and_the_scheduler_meet_in_one_view_that_outlives_a_kill(folder: Path) -> None:
    events = [JOB.start(START_S + 0.7), JOB.end(START_S + 2.1), JOB.summary(START_S + 0.7, START_S + 2.1)]
    async with aiohttp.ClientSession() as session:
        async with running(folder) as (process, url):
            assert (await send(session, url, *events))["accepted"] == 3
            view = await view_when(session, url, "FAILED 42:0")
            assert view["times"]["start_source"] == "hook"
            async with session.get(f"{url}/status.json") as answer:
                assert answer.status == 200, await answer.text()
                status = await answer.json()
            assert status["scheduler"]["release"] == "22.05"
            assert [node["node"] for node in status["nodes"]] == [JOB.node]
            process.kill()
            await process.wait()
        async with running(folder) as (process, url):
            assert (await send(session, url, *events))["known"] == 3
            again = await view_when(session, url, "FAILED 42:0")
            assert again["times"] == view["times"]


async def test_sigterm_ends_live_pages_and_the_program(folder: Path) -> None:
    async with running(folder) as (process, url), aiohttp.ClientSession() as session:
        await send(session, url, JOB.start(START_S + 0.7))

        async def is_shown() -> bool:
            async with session.get(f"{url}/jobs/2.json") as answer:
                return answer.status == 200

        await until(is_shown, "the job has a page")
        async with session.get(f"{url}/jobs/2/live") as live:
            assert live.status == 200
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(15):
                await live.content.read()
                assert await process.wait() == 0
    assert not list(folder.glob("*-wal"))  # closed in order


async def test_who_brings_no_token_is_refused(folder: Path) -> None:
    async with running(folder) as (_, url), aiohttp.ClientSession() as session:
        headers = {"X-Slurmlens-Node": JOB.node}
        async with session.post(f"{url}/api/v1/events", data=b"{}", headers=headers) as answer:
            assert (answer.status, (await answer.json())["reason"]) == (401, "no_credential")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("port = 0", 'port = "x"', "listen.port"),
        ("sqlite:///", "nosuch:///", "database.url"),
        ("/tokens", "/none", "auth.token_file"),
    ],
)
async def test_a_setting_of_no_use_ends_the_program_with_a_word_about_it(
    folder: Path, old: str, new: str, said: str
) -> None:
    path = folder / "hub.toml"
    path.write_text(path.read_text().replace(old, new, 1))
    process = await start(folder)
    _, complaint = await process.communicate()
    assert process.returncode == 2
    assert said in complaint.decode()
    assert "Traceback" not in complaint.decode()


async def test_a_second_hub_on_one_database_is_refused(folder: Path) -> None:
    async with running(folder):
        process = await start(folder)
        _, complaint = await process.communicate()
    assert process.returncode == 2
    assert f"{folder}/hub.sqlite3: another hub has it open" in complaint.decode()


async def test_a_hub_whose_database_is_taken_away_ends_and_says_so(folder: Path) -> None:
    async with running(folder) as (process, _):
        for file in folder.glob("hub.sqlite3*"):
            file.unlink()
        async with asyncio.timeout(30):
            assert await process.wait() == EXIT_ENDED


async def test_a_port_that_is_taken_is_said_to_be(folder: Path) -> None:
    async with running(folder) as (_, url):
        path = folder / "hub.toml"
        same_port = path.read_text().replace("port = 0", f"port = {url.rpartition(':')[2]}")
        path.write_text(same_port.replace("hub.sqlite3", "other.sqlite3"))
        process = await start(folder)
        _, complaint = await process.communicate()
    assert process.returncode == 2
    assert "is another hub running?" in complaint.decode()


async def test_a_hub_whose_work_ends_by_itself_says_so_and_is_no_success(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """systemd must see a failure, and the log its cause."""

    async def fails(_: HubPipeline) -> None:
        raise ZeroDivisionError("a defect of ours")

    monkeypatch.setattr(HubPipeline, "run", fails)
    assert await serve(load_hub(folder / "hub.toml"), SystemClock()) == EXIT_ENDED
    assert "although nobody asked it to: a defect of ours" in caplog.text


async def test_by_tls_a_node_that_trusts_the_hub_delivers_and_any_other_is_told_why_not(folder: Path) -> None:
    authority, stranger = Authority(folder), Authority(folder, "stranger")
    with_tls(folder, authority.issue("hub", alternative_names="DNS:hub.example.org"))
    named = {"ca_file": authority.certificate, "server_name": "hub.example.org"}
    start = ecs.encode(JOB.start(START_S)) + b"\n"
    async with running(folder) as (_, url):
        async with sink(folder, url, **named) as client:
            assert [await client.deliver(start, 1) for _ in range(3)] == [1, 1, 1]
        assert f"{url}: TLS: the other side's certificate is not accepted: IP address mismatch" in await refused(
            folder, url, ca_file=authority.certificate
        )
        for_other = {"ca_file": stranger.certificate, "server_name": "hub.example.org"}
        assert "certificate is not accepted: unable to get local issuer certificate" in await refused(
            folder, url, **for_other
        )
        said = await refused(folder, url.replace("https:", "http:"))
        assert "closed before the answer; if it speaks TLS, the url must begin with https://" in said


async def test_a_hub_without_tls_is_told_apart_from_one_that_is_not_trusted(folder: Path) -> None:
    authority = Authority(folder)
    async with running(folder) as (_, url):
        said = await refused(folder, url.replace("http:", "https:"), ca_file=authority.certificate)
    assert "wrong version number: it hardly speaks TLS" in said


async def test_who_must_show_a_certificate_and_has_none_is_told_so(folder: Path) -> None:
    authority = Authority(folder)
    with_tls(folder, authority.issue("hub"), client_ca_file=authority.certificate)
    node = authority.issue("node")
    async with running(folder) as (_, url):
        assert "if it lets in only who shows a certificate" in await refused(folder, url, ca_file=authority.certificate)
        shown = {"certificate_file": node.certificate, "key_file": node.key}
        async with sink(folder, url, ca_file=authority.certificate, **shown) as client:
            assert await client.deliver(ecs.encode(JOB.start(START_S)) + b"\n", 1) == 1


async def test_the_command_line_asks_a_hub_by_tls(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    authority = Authority(folder)
    with_tls(folder, authority.issue("hub"))
    async with running(folder) as (_, url):
        assert await asyncio.to_thread(slurmlens, ["jobs", "--hub", url]) == 3
        assert "stands in the file that SSL_CERT_FILE names" in capsys.readouterr().err
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
        assert await asyncio.to_thread(slurmlens, ["jobs", "--hub", url]) == 0


async def test_a_certificate_that_cannot_be_used_ends_the_hub_with_a_word_about_it(folder: Path) -> None:
    identity = Authority(folder).issue("hub")
    identity.key.chmod(0o644)
    with_tls(folder, identity)
    process = await start(folder)
    _, complaint = await process.communicate()
    assert process.returncode == 2
    assert "listen.key_file" in complaint.decode()
    assert "is open to everybody: chmod 640" in complaint.decode()


def with_access(folder: Path, text: str = "") -> None:
    """The hub has rules; slurmdbd says that nobody belongs to anything."""
    (folder / "sacctmgr").write_text("#!/bin/sh\nexit 0\n")
    (folder / "sacctmgr").chmod(0o755)
    settings = (folder / "hub.toml").read_text().replace("[log]", f"[access]\n{text}\n[log]")
    (folder / "hub.toml").write_text(settings.replace("[slurm]\n", f'[slurm]\nsacctmgr = "{folder}/sacctmgr"\n'))


async def test_on_the_socket_the_kernel_says_who_asks_and_a_link_logs_the_browser_in(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_access(folder, f'operators = ["{pwd.getpwuid(os.getuid()).pw_name}"]')
    hub = f"unix:{folder}/hub.socket"
    async with running(folder) as (process, url), aiohttp.ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        assert (folder / "hub.socket").stat().st_mode & 0o777 == 0o666
        await send(session, url, JOB.start(START_S))
        async with session.get(f"{url}/jobs.json") as answer:
            assert answer.status == 401
        assert await asyncio.to_thread(slurmlens, ["jobs", "--json", "--hub", hub]) == 0
        assert json.loads(capsys.readouterr().out)["rows"]
        assert await asyncio.to_thread(slurmlens, ["login", "--hub", hub]) == 0
        link = capsys.readouterr().out.strip()
        async with session.get(url + urlsplit(link).path) as answer:
            assert (answer.status, answer.url.path) == (200, "/cluster")
        async with session.get(f"{url}/status.json") as answer:
            assert answer.status == 200
        assert await asyncio.to_thread(slurmlens, ["looks", "--hub", hub]) == 0
        process.terminate()
        assert await process.wait() == 0
        assert not (folder / "hub.socket").exists()


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
async def test_by_the_network_the_command_line_proves_itself_by_munge(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_access(folder)
    with private_munged() as munged:
        settings = (folder / "hub.toml").read_text()
        (folder / "hub.toml").write_text(
            settings.replace("munge = false", f'munge = true\nmunge_socket = "{munged.socket}"')
        )
        monkeypatch.setattr(munge, "encode", partial(munge.encode, socket_path=munged.socket))
        async with running(folder) as (_, url):
            assert await asyncio.to_thread(slurmlens, ["jobs", "--user", "o'x", "--json", "--hub", url]) == 0
            assert "rows" in json.loads(capsys.readouterr().out)
            assert await asyncio.to_thread(slurmlens, ["login", "--hub", url]) == 0
            assert capsys.readouterr().out.startswith(f"{url}/login/")
            monkeypatch.setattr(munge, "encode", partial(munge.encode, socket_path=folder / "absent"))
            assert await asyncio.to_thread(slurmlens, ["jobs", "--hub", url]) == 4
            assert "munged could not be asked" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no place in memory (/dev/shm)")
async def test_a_hub_says_on_its_status_page_that_its_database_will_not_last_and_that_the_one_of_before_is_gone(
    folder: Path,
) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as in_memory:
        settings = (folder / "hub.toml").read_text()
        (folder / "hub.toml").write_text(settings.replace(f"{folder}/hub.sqlite3", f"{in_memory}/hub.sqlite3"))
        async with running(folder) as (process, url), aiohttp.ClientSession() as session:
            page = await (await session.get(f"{url}/status")).text()
            assert "is on tmpfs: the history is gone with the next reboot" in page
            assert "the history of before is gone" not in page
            process.send_signal(signal.SIGTERM)
            await process.wait()
        for path in Path(in_memory).glob("hub.sqlite3*"):
            path.unlink()
        async with running(folder) as (_, url), aiohttp.ClientSession() as session:
            status = await (await session.get(f"{url}/status.json")).json()
            assert (status["database"]["begin"], status["database"]["is_there"]) == ("missing", True)
            assert "the history of before is gone" in await (await session.get(f"{url}/status")).text()
