"""`slurmlens setup`: the steps of a role in order, each done once, the rest told; what it prints is what it runs."""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from slurmlens.cli.commands import setup
from slurmlens.cli.diagnosis import LIBEXEC, ExaminedNode
from slurmlens.cli.main import main
from slurmlens.cli.preparation import UNITS, ExaminedHost, SetupStep, Wishes, prepare, settings_path

SLURM = {
    "clustername": "demo",
    "prolog": "/etc/slurm/prolog.d/*",
    "epilog": f"{LIBEXEC}/slurmlens-epilog",
    "prologflags": "Contain",
}


def node(**changes: object) -> ExaminedNode:
    facts: dict[str, object] = {
        "slurm": SLURM,
        "executables": {f"{LIBEXEC}/slurmlens-epilog": f"{LIBEXEC}/slurmlens-hook"},
        "units": {"slurmlens-node.service": "inactive"},
        "is_dropbox_there": False,
        "config_errors": (),
        "cluster": "cluster",
        "is_munge_answering": True,
    }
    return ExaminedNode(**{**facts, **changes})  # type: ignore[arg-type]


def host(**changes: object) -> ExaminedHost:
    facts: dict[str, object] = {"cluster": "demo", "settings": None, "running": frozenset(), "node": None}
    return ExaminedHost(**{**facts, **changes})  # type: ignore[arg-type]


def to_do(steps: list[SetupStep]) -> list[str]:
    return [step.subject for step in steps if not step.is_done]


def written(step: SetupStep) -> dict[str, object]:
    assert step.command is not None
    return tomllib.loads(step.command.partition("<<'END'\n")[2].partition("END\n")[0])


def test_a_bare_node_is_told_everything_in_the_order_of_the_page() -> None:
    steps = prepare(Wishes(role="node", hub_url="http://hub:6830"), host(node=node()))
    assert to_do(steps) == ["settings", "dropbox", "units", "prolog"]
    assert written(steps[0]) == {"cluster": "demo", "sinks": {"hub": {"url": "http://hub:6830"}}}
    commands = {step.subject: step.command for step in steps}
    assert commands["units"] == "systemctl enable --now run-slurmlens-events.mount slurmlens-node.service"
    assert commands["prolog"] == f"ln -sfn {LIBEXEC}/slurmlens-prolog /etc/slurm/prolog.d/50-slurmlens"


def test_what_is_done_is_done_once() -> None:
    wishes = Wishes(role="node", hub_url="http://hub:6830")
    text = 'cluster = "demo"\n\n[sinks.hub]\nurl = "http://hub:6830"\n'
    executables = {
        "/etc/slurm/prolog.d/50-slurmlens": f"{LIBEXEC}/slurmlens-hook",
        f"{LIBEXEC}/slurmlens-epilog": f"{LIBEXEC}/slurmlens-hook",
    }
    ready = host(
        settings=text,
        running=frozenset(UNITS["node"]),
        node=node(executables=executables, is_dropbox_there=True, cluster="demo"),
    )
    assert to_do(prepare(wishes, ready)) == []
    assert to_do(prepare(Wishes(role="node"), ready)) == [], "a run without wishes takes nothing back"
    assert to_do(prepare(Wishes(role="node", hub_url="http://other:6830"), ready)) == ["settings"]


def test_slurm_conf_is_the_clusters_and_left_to_whoever_keeps_it() -> None:
    steps = prepare(Wishes(role="node"), host(node=node(slurm={"clustername": "demo"})))
    by_hand = {step.subject for step in steps if step.command is None and not step.is_done}
    assert by_hand == {"prolog", "epilog", "prologflags"}


def test_a_hub_listens_where_it_is_told_to_and_a_relay_delivers_where_it_is_told_to() -> None:
    hub = prepare(Wishes(role="hub", listen="10.0.0.1"), host())
    assert written(hub[0]) == {"cluster": "demo", "listen": {"host": "10.0.0.1"}, "access": {}}
    relay = prepare(Wishes(role="relay", cluster="mine", hub_url="https://hub:6830"), host())
    assert written(relay[0]) == {"cluster": "mine", "sinks": {"hub": {"url": "https://hub:6830"}}}
    assert hub[1].command == "systemctl enable --now slurmlens-hub.service"


def test_without_a_cluster_or_systemd_it_says_what_is_missing() -> None:
    steps = prepare(Wishes(role="hub"), host(cluster=None, running=None))
    assert [step.command for step in steps] == [None, None]
    assert "--cluster" in steps[0].told
    assert "slurmlens-hub" in steps[1].told


@given(st.text(min_size=1), st.text())
def test_no_name_breaks_out_of_the_file_that_is_written(cluster: str, url: str) -> None:
    (settings, _) = prepare(Wishes(role="relay", cluster=cluster, hub_url=url), host())
    assert written(settings) == {"cluster": cluster, "sinks": {"hub": {"url": url}}}


def test_commands_run_in_order_and_nothing_after_one_that_failed(tmp_path: Path) -> None:
    one, two = tmp_path / "a/one.toml", tmp_path / "two"
    steps = [
        SetupStep(subject="ready", told="", command="false", is_done=True),
        SetupStep(subject="write", told="", command=f"install -D -m 0644 /dev/stdin {one} <<'END'\nx = \"$HOME\"\nEND"),
        SetupStep(subject="hand", told="do it"),
        SetupStep(subject="fail", told="", command="echo odd >&2; exit 3"),
        SetupStep(subject="after", told="", command=f"touch {two}"),
    ]
    outcomes = list(setup.carry_out(steps))
    assert [one.state for one in outcomes] == ["was done", "done", "by hand", "failed", "to do"]
    assert outcomes[3].problem == "odd"
    assert one.read_text() == 'x = "$HOME"\n'
    assert not two.exists()


def test_a_dry_run_is_a_script_that_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slurm.conf").write_text("ClusterName=demo\n")
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    assert main(["setup", "node", "--hub", "http://hub:6830", "--dry-run"]) == 1, "slurm.conf lacks the hooks"
    script = capsys.readouterr().out
    assert settings_path("node") in script
    subprocess.run(["/bin/sh", "-n"], input=script, text=True, check=True)
    assert main(["setup", "node", "--hub", "http://hub:6830", "--dry-run", "--json"]) == 1
    told = {one["subject"]: one["state"] for one in json.loads(capsys.readouterr().out)}
    assert told["prolog"] == "by hand"
    assert told["settings"] == "to do"


def test_arguments_that_make_no_sense_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["setup", "hub", "--hub", "http://hub:6830", "--dry-run"]) == 2
    assert "a hub delivers to nobody" in capsys.readouterr().err
