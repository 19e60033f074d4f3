"""The real daemon delivers over TLS where its settings say so, although it keeps OpenSSL out otherwise."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from slurmlens.events import JobStart
from slurmlens.wire import ecs
from testkit.beats_receiver import BeatsReceiver, acknowledge_all
from testkit.certificates import Authority, server_context
from testkit.moving_tree import MovingTree
from testkit.node_process import node_process
from testkit.scripted_server import LineServer, serving
from testkit.waiting import until


@pytest.fixture
def tree(tmp_path: Path, unpacked_recordings: Path) -> MovingTree:
    return MovingTree("v2-22.05-io-pids", tmp_path, unpacked_recordings)


async def test_an_event_reaches_logstash_both_ways_over_tls(tree: MovingTree, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = server_context(authority.issue("server"), clients_ca=authority.certificate)
    client = authority.issue("client")
    folder = tmp_path / "d"
    folder.mkdir()
    lines, beats = LineServer(), BeatsReceiver([acknowledge_all])
    async with (
        serving(lines, tls=tls) as lines_port,
        serving(beats, tls=tls) as beats_port,
        node_process(tree, folder) as node,
    ):
        both = f"""
tls = true
ca_file = "{authority.certificate}"
certificate_file = "{client.certificate}"
key_file = "{client.key}"
"""
        (folder / "node.conf.d").mkdir()
        settings = f"[sinks.logstash]\nport = {lines_port}{both}[sinks.beats]\nport = {beats_port}{both}"
        (folder / "node.conf.d/logstash.toml").write_text(settings)
        await node.start()
        node.hook("prolog", 7, SLURM_JOB_USER="alice", SLURM_JOB_UID="2000")
        await until(lambda: b'"job_id":7' in lines.received, "JSON lines")
        await until(lambda: any(b'"job_id":7' in document for document in beats.documents), "Beats")
        status = await node.status()
    document = next(document for document in beats.documents if b'"job_id":7' in document)
    assert isinstance(ecs.decode(document), JobStart)
    assert document + b"\n" in lines.received
    assert {"logstash", "beats"} <= {sink.name for sink in status.sinks}
    assert msgspec.json.decode(document)["event"]["id"]
