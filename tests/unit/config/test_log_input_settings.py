"""What is wrong in `[logs]` of node.toml is named with its key and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from slurmlens.config.convert import convert
from slurmlens.config.log_inputs import address_of
from slurmlens.config.node import NodeConfig

HUB: dict[str, Any] = {"sinks": {"hub": {}}}


def problems(logs: dict[str, Any], sinks: dict[str, Any] = HUB) -> dict[str, str]:
    return {problem.key: problem.message for problem in convert(NodeConfig, {"logs": logs, **sinks})[1]}


def test_without_a_table_every_input_is_off_and_one_switches_one_on() -> None:
    assert not convert(NodeConfig, {})[0].logs.is_on
    assert convert(NodeConfig, {"logs": {"journal": {}}, **HUB})[0].logs.is_on


@pytest.mark.parametrize(
    ("logs", "key", "words"),
    [
        ({"syslog": {}}, "logs.syslog.udp", "set udp, tcp or socket"),
        ({"syslog": {"tcp": "5514"}}, "logs.syslog.tcp", "no HOST:PORT"),
        ({"documents_2015": {"udp": "h:70000"}}, "logs.documents_2015.udp", "no HOST:PORT"),
        ({"files": {"paths": []}}, "logs.files.paths", "at least one"),
        ({"files": {"paths": ["slurmd.log"]}}, "logs.files.paths", "no full path"),
        ({"files": {"paths": ["/a", "/a"]}}, "logs.files.paths", "twice"),
        ({"journal": {"severity": "loud"}}, "logs.journal.severity", "expected one of"),
        ({"jurnal": {}}, "logs.jurnal", "did you mean"),
    ],
)
def test_what_is_wrong_is_named(logs: dict[str, Any], key: str, words: str) -> None:
    assert words in problems(logs)[key]


def test_lines_that_nobody_would_get_are_a_problem() -> None:
    assert "nobody would get the lines" in problems({"journal": {}}, {"sinks": {"carbon": {}}})["logs"]
    assert not problems({"journal": {}}, {"sinks": {"logstash": {"log_lines": True}}})
    assert not problems({"journal": {}}, {"sinks": {"kafka": {"log_topic": "lines"}}})


def test_an_address_is_host_and_port() -> None:
    assert address_of("[::1]:5514") == ("::1", 5514)
    assert address_of("127.0.0.1:0") == ("127.0.0.1", 0)
    assert [address_of(text) for text in ("x", ":1", "h:", "h:-1", "h:99999", " h:1")] == [None] * 6
