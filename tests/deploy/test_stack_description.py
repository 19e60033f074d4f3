"""The one description of the stack: its order, what may be left out, and that each row can be realised and proved."""

from __future__ import annotations

import argparse
from collections import deque
from pathlib import Path

import pytest
from deploy.errors import DeployError, MachineLacks
from deploy.whole import commands, description, proofs, record, secrets
from deploy.whole.supervisor import MOST_RESTARTS, RESTARTS_WITHIN_S, _Restarts


def test_each_service_comes_after_what_it_needs_and_can_be_proved() -> None:
    rows = description.chosen([row.name for row in description.SERVICES])
    seen: set[str] = set()
    for row in rows:
        assert set(row.needs) <= seen, row.name
        assert row.proof in proofs.PROOFS
        seen.add(row.name)


def test_ports_of_the_table_are_unique() -> None:
    numbers = [port.number for row in description.SERVICES for port in row.ports]
    assert len(numbers) == len(set(numbers))


def test_a_service_that_is_not_there_or_cannot_go_is_named() -> None:
    with pytest.raises(DeployError, match="no service 'kafak'"):
        description.chosen(["kafak"])
    with pytest.raises(DeployError, match="slurmctld cannot be left out"):
        description.chosen(without=["slurmctld"])
    names = {row.name for row in description.chosen(without=["neo4j"])}
    assert "neo4j" not in names
    assert "grafana" not in names


def test_services_that_wait_for_each_other_are_named() -> None:
    service = description.ServiceDescription
    with pytest.raises(DeployError, match="a, b"):
        description.ordered([service("a", "", "", needs=("b",)), service("b", "", "", needs=("a",))])


def options(**given: object) -> argparse.Namespace:
    return argparse.Namespace(
        **{"name": "x", "compute": 1, "port": [], "with_": [], "without": [], "engine": None, **given}
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"compute": 0}, "from 1 to"),
        ({"port": ["hub=99999"]}, "hub=NUMBER"),
        ({"port": ["carbon=2003"]}, "hub=NUMBER"),
        ({"with_": ["nothing"]}, "no service"),
    ],
)
def test_what_is_wrong_is_said_before_anything_starts(
    given: dict[str, object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "require_programs", lambda names: None)
    monkeypatch.setattr(commands, "program", lambda name: Path("/"))
    with pytest.raises(DeployError, match=words):
        commands.up(options(**given))


def test_a_port_that_is_taken_names_who_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "require_programs", lambda names: None)
    monkeypatch.setattr(commands, "program", lambda name: Path("/"))
    monkeypatch.setattr(commands, "_listener", lambda port: 'users:(("nginx",pid=7,fd=6))')
    with pytest.raises(DeployError, match=r"port 6830 for hub is taken by .*nginx"):
        commands.up(options(port=["hub=6830"]))


def test_a_disk_that_is_full_is_said_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "require_programs", lambda names: None)
    monkeypatch.setattr(commands, "program", lambda name: Path("/"))
    monkeypatch.setattr(description, "free_mib", lambda rows, compute: 10**9)
    with pytest.raises(MachineLacks, match="MiB free, this stack needs 1000000000"):
        commands.up(options())


def test_a_service_that_dies_again_and_again_is_given_up_and_one_that_dies_seldom_is_not() -> None:
    restarts = _Restarts(deque())
    now_s = 0.0
    for _ in range(MOST_RESTARTS):
        while not restarts.may(now_s):
            now_s += 0.5
        restarts.note(now_s)
    assert restarts.may(now_s + 20) is None
    assert restarts.may(now_s + RESTARTS_WITHIN_S + 1)


def test_a_stack_of_another_release_can_be_read_and_is_not_changed(tmp_path: Path) -> None:
    old = record.StackRecord("old", "up", version=0, services=[record.ServiceRecord("hub", "up")])
    old.write(tmp_path)
    seen = record.read(tmp_path)
    assert seen == old
    with pytest.raises(DeployError, match="down --name old"):
        record.refuse_other_version(old)


def test_an_instance_that_is_no_stack_is_none(tmp_path: Path) -> None:
    assert record.read(tmp_path) is None
    (tmp_path / record.FILE).write_text('{"name": "x"')
    assert record.read(tmp_path) is None


def test_secrets_differ_from_stack_to_stack_and_are_their_owners_alone(tmp_path: Path) -> None:
    first, second = secrets.make(tmp_path / "a"), secrets.make(tmp_path / "b")
    assert first != second
    assert secrets.read(tmp_path / "a") == first
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "a").iterdir()} == {0}
