"""`slurmlens validate` says in one line a problem what to do, and its exit status can be relied on."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from slurmlens.cli.commands import validate
from testkit.checkout import ROOT


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    validate.add_arguments(parser)
    return validate.run(parser.parse_args(arguments))


@pytest.mark.parametrize("name", ["node.toml", "hub.toml", "relay.toml"])
def test_the_shipped_files_can_be_used(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    shipped = ROOT / "etc" / "slurmlens" / name
    assert run("--words", str(shipped)) == 0
    assert capsys.readouterr().out == f"{shipped}: slurmlens-{name[:-5]} can start with this\n"


def test_every_problem_is_one_line_in_the_order_of_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "node.toml"
    path.write_text("slots = 0\n[sampling]\ninterval_s = '10s'\nslow_evry = 2\n")
    assert run(str(path)) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert [line.removeprefix(str(path)) for line in told.err.splitlines()] == [
        ":1: slots: 0 is too small; the least is 1",
        ':3: sampling.interval_s: expected a number of seconds, found "10s": write interval_s = 10',
        ":4: sampling.slow_evry: unknown key; did you mean slow_every?",
    ]


def test_quiet_says_only_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "relay.toml"
    path.write_text("[sinks.hub]\n")
    assert run("--quiet", str(path)) == 0
    assert capsys.readouterr() == ("", "")
    path.write_text("[sinks.hub]\nurl = 7\n")
    assert run("-q", str(path)) == 2
    assert "sinks.hub.url" in capsys.readouterr().err


def test_json_has_file_line_key_and_message_of_each_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "node.toml"
    path.write_text("slots = 0\n[sampling]\nslow_evry = 2\n")
    assert run("--json", str(path)) == 2
    told = json.loads(capsys.readouterr().out)
    assert [(error["file"], error["line"], error["key"]) for error in told["errors"]] == [
        (str(path), 1, "slots"),
        (str(path), 3, "sampling.slow_evry"),
    ]
    assert "did you mean slow_every?" in told["errors"][1]["message"]
    path.write_text("")
    assert run("--json", str(path)) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["program"], told["files"], told["errors"]) == ("node", [str(path)], [])
    assert "send nothing" in told["remark"]


def test_json_of_a_file_that_is_not_there_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--json", str(tmp_path / "node.toml")) == 2
    (error,) = json.loads(capsys.readouterr().out)["errors"]
    assert str(tmp_path / "node.toml") in error["message"]


def test_a_conf_d_folder_is_read_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "node.toml"
    path.write_text("")
    addition = tmp_path / "node.conf.d" / "10-site.toml"
    addition.parent.mkdir()
    addition.write_text("[sinks.carbon]\n")
    assert run(str(path)) == 0
    assert capsys.readouterr().out == f"{path} and {addition}: slurmlens-node can start with this\n"


def test_a_node_that_would_send_nothing_is_remarked_upon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "node.toml"
    path.write_text("")
    assert run(str(path)) == 0
    assert "it would send nothing" in capsys.readouterr().out


def test_a_missing_file_is_a_line_and_no_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(tmp_path / "node.toml")) == 2
    assert "no such file" in capsys.readouterr().err


def test_a_file_of_any_other_name_needs_to_be_told_whose_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "site.toml"
    path.write_text("[listen]\nport = 1\n")
    assert run(str(path)) == 2
    assert "--program" in capsys.readouterr().err
    assert run(str(path), "--program", "hub") == 0
