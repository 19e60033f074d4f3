"""The hub program with a real Consul: found by its service, its carbon followed, the keys of 2015 kept."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from deploy.components.consul import Consul

from testkit.checkout import ROOT
from testkit.consul_agent import Api
from testkit.scripted_server import LineServer, serving
from testkit.waiting import until

FIXTURES = ROOT / "tests/fixtures/slurm/22.05"
START_MAX_S = 60.0
SCONTROL = f"""#!/bin/sh
case "$*" in
*partition*) cat {FIXTURES}/scontrol_show_partition.txt ;;
*) cat {FIXTURES}/scontrol_show_node.txt ;;
esac
"""


def configure(folder: Path, agent_url: str) -> Path:
    """Settings of a hub whose Slurm is a set of recordings."""
    for name, recording in (("squeue", "squeue.outcomes.json"), ("sacct", "sacct.txt")):
        (folder / name).write_text(
            f'#!/bin/sh\nif [ "$1" = --version ]; then echo slurm-wlm 22.05.8; else cat {FIXTURES / recording}; fi\n'
        )
    (folder / "scontrol").write_text(SCONTROL)
    for name in ("squeue", "sacct", "scontrol"):
        (folder / name).chmod(0o755)
    (folder / "tokens").write_text("d-compute0 0123456789abcdef\n")
    (folder / "tokens").chmod(0o600)
    path = folder / "hub.toml"
    path.write_text(
        f"""cluster = "demo"
runtime_path = "{folder}"
[listen]
port = 0
[database]
url = "sqlite:///{folder}/hub.sqlite3"
[auth]
munge = false
token_file = "{folder}/tokens"
[slurm]
poll_interval_s = 1
squeue = "{folder}/squeue"
sacct = "{folder}/sacct"
scontrol = "{folder}/scontrol"
[consul]
url = "{agent_url}"
ttl_s = 3
job_keys = true
[consul.find]
carbon = "hubs-carbon"
[series_2015]
port = 9
interval_s = 1
[log]
format = "json"
"""
    )
    return path


@asynccontextmanager
async def hub(consul: Consul, folder: Path, beside: int = 0) -> AsyncIterator[dict[str, Any]]:
    """The program, at work until it is asked to stop, `beside` others; yields what Consul says of its service."""

    async def registered() -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = await Api(consul).get("health/service/slurmlens-hub?passing")
        return entries if len(entries) > beside else []

    command = [sys.executable, "-m", "slurmlens.hub.main", "--config", str(configure(folder, consul.url))]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}/daemon", "PYTHONUNBUFFERED": "1"}
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=log, stderr=log, stdin=PIPE)
    try:
        entries = await until(registered, "the hub's service")
        yield max((entry["Service"] for entry in entries), key=lambda service: service["CreateIndex"])
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(START_MAX_S):
            assert await process.wait() == 0, (folder / "log").read_text()


async def test_the_hub_is_a_service_keeps_the_keys_of_2015_and_leaves_when_it_stops(
    consul: Consul, tmp_path: Path
) -> None:
    api = Api(consul)
    async with hub(consul, tmp_path) as service:
        assert (service["Tags"], service["Address"]) == (["demo"], "127.0.0.1")
        assert (await _status(service))["registration"]["is_registered"]
        job = await until(lambda: _job(api, 2), "the keys of job 2")
        assert (job["user"], job["clustername"], job["exit_code2"]) == ("alice", "demo", "42:0")
        odd = "slurm/partition/odd/"
        wanted = {f"{odd}state": "UP", f"{odd}total_nodes": "1", f"{odd}total_cpus": "2", f"{odd}nodes": "d-compute1"}
        assert await until(lambda: api.tree(odd), "the partitions") == wanted
    assert await api.checks("slurmlens-hub") == []


async def test_two_hubs_of_a_cluster_are_two_services_and_one_that_stops_takes_only_itself_away(
    consul: Consul, tmp_path: Path
) -> None:
    api, folders = Api(consul), (tmp_path / "one", tmp_path / "other")
    for folder in folders:
        folder.mkdir()
    async with hub(consul, folders[0]) as first:
        async with hub(consul, folders[1], beside=1) as other:
            assert first["ID"] != other["ID"]
            assert first["Port"] != other["Port"]
        (left,) = await api.get("health/service/slurmlens-hub?passing")
        assert left["Service"]["ID"] == first["ID"]
    assert await api.checks("slurmlens-hub") == []


async def test_the_hubs_points_follow_a_carbon_that_moves_and_find_it_again_after_a_restart(
    consul: Consul, tmp_path: Path
) -> None:
    api, first, second = Api(consul), LineServer(), LineServer()
    async with serving(first) as before, serving(second) as after:
        await api.announce("hubs-carbon", before)
        async with hub(consul, tmp_path) as service:
            await first.until(b"slurm.stats.")
            await api.announce("hubs-carbon", after)
            await second.until(b"slurm.stats.")
            assert (await _status(service))["found"] == {"carbon": [f"127.0.0.1:{after}"]}
        await api.withdraw("hubs-carbon")
        second.received.clear()
        async with hub(consul, tmp_path):
            await second.until(b"slurm.stats.")


async def _status(service: dict[str, Any]) -> dict[str, Any]:
    """The hub's own word on how it fares with Consul."""
    url = f"http://127.0.0.1:{service['Port']}/status.json"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return (await answer.json())["consul"]  # type: ignore[no-any-return]


async def _job(api: Api, job_id: int) -> dict[str, str] | None:
    keys = {key.split("/")[-1]: text for key, text in (await api.tree(f"slurm/job/{job_id}/")).items()}
    return keys if "exit_code2" in keys else None
