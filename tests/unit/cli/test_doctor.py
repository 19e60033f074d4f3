"""What `slurmlens doctor` finds on a compute node, and the command that it names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.cli.diagnosis import LIBEXEC, ExaminedNode, diagnose
from slurmlens.cli.main import main
from slurmlens.slurm.configuration import read_settings
from slurmlens.slurm.plugstack import PluginLine

SLURM = {"clustername": "demo", "prolog": "/etc/slurm/prolog.d/*", "epilog": f"{LIBEXEC}/slurmlens-epilog"}


def machine(**changes: object) -> ExaminedNode:
    facts: dict[str, object] = {
        "slurm": {**SLURM, "prologflags": "Alloc,Contain"},
        "executables": {
            "/etc/slurm/prolog.d/50-slurmlens": f"{LIBEXEC}/slurmlens-hook",
            f"{LIBEXEC}/slurmlens-epilog": f"{LIBEXEC}/slurmlens-hook",
        },
        "units": {"slurmlens-node.service": "active"},
        "is_dropbox_there": True,
        "config_errors": (),
        "cluster": "demo",
        "is_munge_answering": True,
    }
    return ExaminedNode(**{**facts, **changes})  # type: ignore[arg-type]


def wrong(found: ExaminedNode) -> dict[str, str]:
    """Remedy by subject of what is wrong."""
    return {one.subject: one.remedy for one in diagnose(found) if one.state == "wrong"}


def test_a_node_that_is_set_up_has_nothing_wrong() -> None:
    assert wrong(machine()) == {}
    assert {one.state for one in diagnose(machine())} == {"right"}


def test_a_folder_of_hooks_without_ours_names_the_link_to_make() -> None:
    found = wrong(machine(executables={f"{LIBEXEC}/slurmlens-epilog": f"{LIBEXEC}/slurmlens-hook"}))
    assert found == {"prolog": f"ln -sfn {LIBEXEC}/slurmlens-prolog /etc/slurm/prolog.d/50-slurmlens"}


def test_what_a_removal_left_in_the_place_of_a_hook_is_not_taken_for_it() -> None:
    left = {f"{LIBEXEC}/slurmlens-epilog": f"{LIBEXEC}/slurmlens-epilog"}
    found = wrong(machine(executables={**machine().executables, **left}))
    assert found == {"epilog": "install slurmlens-hooks"}


def test_a_folder_with_others_hooks_alone_names_the_link_to_make() -> None:
    others = {"/etc/slurm/prolog.d/10-site": "/etc/slurm/prolog.d/10-site"}
    found = wrong(machine(executables={f"{LIBEXEC}/slurmlens-epilog": f"{LIBEXEC}/slurmlens-hook", **others}))
    assert found["prolog"].startswith("ln -sfn")


def test_a_sites_own_prolog_is_not_called_wrong() -> None:
    slurm = {**SLURM, "prolog": "/etc/slurm/prolog.sh", "prologflags": "Contain"}
    executables = {"/etc/slurm/prolog.sh": "/etc/slurm/prolog.sh", SLURM["epilog"]: f"{LIBEXEC}/slurmlens-hook"}
    states = {one.subject: one.state for one in diagnose(machine(slurm=slurm, executables=executables))}
    assert states["prolog"] == "unknown"


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({"is_dropbox_there": False}, "dropbox"),
        ({"is_munge_answering": False}, "munge"),
        ({"units": {"slurmlens-node.service": "failed"}}, "slurmlens-node.service"),
        ({"cluster": "other"}, "settings"),
        ({"config_errors": ("line 3: unknown key",)}, "settings"),
        ({"slurm": SLURM}, "prologflags"),
    ],
)
def test_each_fault_is_found_alone_and_has_a_remedy(changes: dict[str, object], subject: str) -> None:
    found = wrong(machine(**changes))
    assert set(found) == {subject}
    assert found[subject]


def test_the_exit_status_and_the_json_say_that_something_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "node.toml"
    config.write_text(f'cluster = "demo"\ndropbox_path = "{tmp_path}/missing"\n[sinks.hub]\n')
    (tmp_path / "slurm.conf").write_text("ClusterName=demo\nPrologFlags=Contain\n")
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    assert main(["doctor", "--json", "--config", str(config)]) == 1
    states = {one["subject"]: one["state"] for one in json.loads(capsys.readouterr().out)}
    assert (states["dropbox"], states["prolog"], states["settings"]) == ("wrong", "wrong", "right")


def test_slurm_conf_is_read_as_slurm_reads_it() -> None:
    text = "prolog = /a # mine\nNodeName=n1 CPUs=2\nPrologFlags=Alloc,\\\nContain\nPROLOG=/b\n"
    assert read_settings(text) == {"prolog": "/b", "prologflags": "Alloc, Contain"}


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    read_settings(text)


PLUGIN = "/usr/lib/slurmlens/spank/spank_slurmlens.so"


@pytest.mark.parametrize(
    ("plugins", "states"),
    [
        ((), []),
        ((PluginLine(True, "/usr/lib/pyxis.so", False),), []),
        ((PluginLine(False, PLUGIN, True),), ["right"]),
        ((PluginLine(False, PLUGIN, False),), ["wrong"]),
        ((PluginLine(True, PLUGIN, True),), ["wrong"]),
    ],
    ids=["none", "another's", "as shipped", "missing", "required"],
)
def test_a_plugin_that_plugstack_loads_must_be_there_and_optional(
    plugins: tuple[PluginLine, ...], states: list[str]
) -> None:
    assert [one.state for one in diagnose(machine(plugins=plugins)) if one.subject == "spank"] == states
