"""The known problems that ship recognise their cases and no others; files that cannot be used say what to do."""

from __future__ import annotations

import shlex
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.cli.main import main
from slurmlens.clock import NS_PER_S
from slurmlens.errors import ConfigError
from slurmlens.hub.findings.claims import ClosedWhy, Finding, FindingState
from slurmlens.hub.findings.observed import NodeMakeup, Observed
from slurmlens.hub.findings.problems.cases import NOW_NS, Case, CaseLine, claims_of, observed_of, read_cases
from slurmlens.hub.findings.problems.guide import command_of, guide_of
from slurmlens.hub.findings.problems.problem_file import placeholders, read_problem, read_problems
from slurmlens.hub.findings.problems.verifying import verified
from testkit.checkout import ROOT
from testkit.findings import ended

FOLDER = ROOT / "etc" / "slurmlens" / "problems"
FILES = sorted(FOLDER.glob("*.toml"))
CASES = [(path, case) for path in FILES for case in read_cases(FOLDER / "cases" / path.name)]
FILLED = {"node", "nodes", "job", "jobs", "user", "count", "reason", "server", "target", "peer", "pci", "xid", "dimm"}
FILLED |= {"interface", "device", "output"}
"""What guides may name: of the matcher's own, and fields of the lines that they match."""

MINE = """
title = "Mine"
about = "node"
why = "because"
[[all]]
event = ["hung_task"]
[remedy]
text = "mend it"
[verify]
text = "quiet"
quiet_s = 60
"""


def test_two_dozen_problems_ship_and_all_of_them_can_be_read() -> None:
    read = read_problems(FOLDER)
    assert read.errors == ()
    assert len(read.problems) >= 24


@pytest.mark.parametrize(("path", "case"), CASES, ids=[f"{path.stem}: {case.name}" for path, case in CASES])
def test_a_shipped_problem_matches_its_cases_and_nothing_else(path: Path, case: Case) -> None:
    claims = claims_of(read_problem(path), case)
    assert bool(claims) == case.matches
    assert all(claim.detail == path.stem for claim in claims)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_shipped_problem_has_a_case_that_it_matches_one_that_it_does_not_and_a_guide(path: Path) -> None:
    assert {case.matches for case in read_cases(FOLDER / "cases" / path.name)} == {True, False}
    problem = read_problem(path)
    assert problem.checks
    assert placeholders(problem) <= FILLED


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_shipped_problem_matches_the_cases_of_another_kind_of_thing(path: Path) -> None:
    """A problem may match another's case where both look at one event; it never matches without a sign of its own."""
    problem = read_problem(path)
    quiet = Case(name="nothing", matches=False)
    assert claims_of(problem, quiet) == []


def test_a_guide_has_the_values_of_its_incident_in_it() -> None:
    problem = read_problem(FOLDER / "nfs-server-away.toml")
    (case, *_) = read_cases(FOLDER / "cases" / "nfs-server-away.toml")
    (claim,) = claims_of(problem, case)
    assert guide_of(problem, claim.values).checks[0].command == "showmount -e nfs1; rpcinfo -t nfs1 nfs"
    assert {one.name for one in claim.entities} == {"n1", "n2", "n3"}


@given(st.text())
def test_what_a_log_line_holds_is_one_word_of_the_command(value: str) -> None:
    words = shlex.split(command_of("ssh {node} true", {"node": value}))
    plain = " ".join(value.split())
    assert words == ["ssh", "<node>" if plain.startswith("-") else plain, "true"]


@given(st.text())
def test_within_quotes_a_value_never_ends_the_quote_nor_speaks_to_a_remote_shell(value: str) -> None:
    command = command_of(
        "scontrol update nodename={node} reason='fails {jobs}' && ssh {node} \"ls {path}\"",
        {"node": "n1", "jobs": value, "path": value},
    )
    words = shlex.split(command)
    assert words[:2] + words[4:7] == ["scontrol", "update", "&&", "ssh", "n1"]
    assert len(words) == 8
    assert not set("$`;&|<>(){}'\"\\!*?~\n") & set(words[3].removeprefix("reason=fails ").replace("<jobs>", ""))


def test_a_value_that_is_not_known_stays_a_placeholder_that_no_shell_expands() -> None:
    assert command_of("ssh {node}", {}) == "ssh '<node>'"


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ('title = "Mine"', "", None, "title is missing: add it"),
        ('event = ["hung_task"]', 'event = ["hung_tsak"]', 6, "no line is of kind 'hung_tsak'"),
        ('event = ["hung_task"]', 'evnt = ["hung_task"]', 6, "no such key"),
        ('event = ["hung_task"]', 'figure = "oom_kills"\nat_least = 1', 6, "of a node there are completed_runs"),
        ('event = ["hung_task"]', "count = 2", 5, "a sign looks at one thing"),
        ("quiet_s = 60", "", 9, "says nothing by which it could ever be over"),
        ('about = "node"', 'about = "job"\nversion = 2', 4, "reads version 1, not 2"),
        ("quiet_s = 60", "quiet_s = 'x'", 11, "Expected `float | null`"),
    ],
)
def test_a_file_that_cannot_be_used_names_line_and_key_and_what_to_do(
    tmp_path: Path, old: str, new: str, line: int | None, says: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MINE.replace(old, new))
    with pytest.raises(ConfigError, match=r"mine\.toml") as caught:
        read_problem(path)
    assert says in str(caught.value)
    assert line is None or caught.value.line == line


def test_one_bad_file_of_a_folder_costs_itself_alone(tmp_path: Path) -> None:
    (tmp_path / "good.toml").write_text(MINE)
    (tmp_path / "bad.toml").write_text("title = ")
    read = read_problems(tmp_path)
    assert [problem.name for problem in read.problems] == ["good"]
    assert len(read.errors) == 1


def finding_of(name: str) -> Finding:
    problem = read_problem(FOLDER / f"{name}.toml")
    case = next(case for case in read_cases(FOLDER / "cases" / f"{name}.toml") if case.matches)
    (claim, *_) = claims_of(problem, case)
    return Finding(
        number=1, claim=claim, incident=1, state=FindingState.OPEN, rank=1.0, first_ns=NOW_NS, last_ns=NOW_NS
    )


def test_a_problem_of_a_node_is_contained_by_taking_the_node_out_of_service() -> None:
    problem, finding = read_problem(FOLDER / "black-hole.toml"), finding_of("black-hole")
    seen = Observed(now_ns=NOW_NS, nodes={"n1": NodeMakeup(node="n1", state="IDLE")})
    assert verified(problem, finding, seen) is None
    drained = Observed(now_ns=NOW_NS, nodes={"n1": NodeMakeup(node="n1", state="IDLE+DRAIN")})
    assert verified(problem, finding, drained) is ClosedWhy.CONTAINED


def test_a_problem_is_over_when_runs_in_a_row_went_well_since_and_not_before() -> None:
    problem, finding = read_problem(FOLDER / "black-hole.toml"), finding_of("black-hole")
    good = tuple(ended(number, "COMPLETED", "n1", ago_s=50 - number) for number in range(5))
    assert verified(problem, finding, Observed(now_ns=NOW_NS, runs=good)) is ClosedWhy.VERIFIED
    assert verified(problem, finding, Observed(now_ns=NOW_NS, runs=good[:4])) is None
    failed = ended(9, "FAILED", "n1", ago_s=1)
    assert verified(problem, finding, Observed(now_ns=NOW_NS, runs=(*good[1:], failed))) is None


def test_a_server_is_back_when_each_node_said_so() -> None:
    problem, finding = read_problem(FOLDER / "nfs-server-away.toml"), finding_of("nfs-server-away")
    case = read_cases(FOLDER / "cases" / "nfs-server-away.toml")[0]
    lines = [{"node": node, "text": "nfs: server nfs1 OK", "ago_s": 10.0} for node in ("n1", "n2", "n3")]
    for count, why in ((2, None), (3, ClosedWhy.VERIFIED)):
        more = msgspec.convert(lines[:count], tuple[CaseLine, ...])
        observed, _ = observed_of(msgspec.structs.replace(case, lines=(*case.lines, *more)))
        assert verified(problem, finding, observed) is why


def test_quiet_is_counted_from_the_last_sign() -> None:
    problem, finding = read_problem(FOLDER / "clock-skew.toml"), finding_of("clock-skew")
    last_ns = finding.claim.to_ns
    assert verified(problem, finding, Observed(now_ns=last_ns + 599 * NS_PER_S)) is None
    assert verified(problem, finding, Observed(now_ns=last_ns + 600 * NS_PER_S)) is ClosedWhy.VERIFIED


def test_the_command_lists_and_tests_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["problems", "list", str(FOLDER)]) == 0
    assert "black-hole" in capsys.readouterr().out
    assert main(["problems", "test", str(FOLDER / "black-hole.toml")]) == 0
    told = capsys.readouterr().out
    assert "2 of 2 cases are as they say" in told
    assert "scontrol update nodename=n1 state=drain" in told
    wrong = tmp_path / "case.toml"
    wrong.write_text('[[case]]\nname = "nothing"\nmatches = true\n')
    assert main(["problems", "test", str(FOLDER / "black-hole.toml"), "--on", str(wrong)]) == 1
    assert "BAD nothing: does not match" in capsys.readouterr().out


def test_validate_checks_a_problem_and_a_folder_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(FOLDER)]) == 0
    folder = tmp_path / "problems"
    folder.mkdir()
    (folder / "mine.toml").write_text(MINE.replace("hung_task", "hung_tsak"))
    assert main(["validate", str(folder / "mine.toml")]) == 2
    told = capsys.readouterr().err
    assert "mine.toml:6: all[0].event: no line is of kind 'hung_tsak'; did you mean 'hung_task'?" in told
    assert main(["problems", "kinds"]) == 0
    assert "hung_task" in capsys.readouterr().out.splitlines()
