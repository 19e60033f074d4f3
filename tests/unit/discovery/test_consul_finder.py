"""A receiver is looked for once, however many sinks deliver to it, and two receivers may stand behind one service."""

from __future__ import annotations

from pathlib import Path

from slurmlens.config.consul import FindConfig, NodeConsulConfig
from slurmlens.discovery.finder import Finder
from slurmlens.discovery.memory import MemoryFile
from slurmlens.runtime.endpoint import FixedEndpoint
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.manual_clock import ManualClock


def finder(folder: Path, **services: str) -> Finder:
    reporter = Reporter(Counters(), ManualClock())
    memory = MemoryFile(folder / "memory.json", reporter)
    find = FindConfig(**services)
    return Finder(NodeConsulConfig(find=find), find, "n1", memory, reporter, ManualClock())


def test_two_sinks_of_one_receiver_share_its_endpoint_and_one_watch(tmp_path: Path) -> None:
    found = finder(tmp_path, hub="the-hub")
    assert found.endpoint("hub", "127.0.0.1", 1) is found.endpoint("hub", "127.0.0.1", 1)
    assert [watch.name for watch in found.watches] == ["service the-hub"]


def test_two_receivers_behind_one_service_have_a_watch_each(tmp_path: Path) -> None:
    found = finder(tmp_path, logstash="logs", beats="logs")
    assert found.endpoint("logstash", "127.0.0.1", 1) is not found.endpoint("beats", "127.0.0.1", 2)
    assert [watch.name for watch in found.watches] == ["service logs", "service logs for beats"]


def test_who_is_not_looked_for_stays_where_the_settings_say(tmp_path: Path) -> None:
    found = finder(tmp_path, hub="the-hub")
    assert isinstance(found.endpoint("carbon", "127.0.0.1", 1), FixedEndpoint)
    assert len(found.watches) == 0
