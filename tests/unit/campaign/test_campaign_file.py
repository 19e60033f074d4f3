"""A campaign's file: what it gives, and that every mistake is told with file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.campaign.file import examine_campaign
from slurmlens.campaign.rule import RuleWrong, read_rule
from slurmlens.campaign.space import Choice, Integer
from slurmlens.errors import ConfigError
from testkit.campaigns import bowl
from testkit.checkout import ROOT

GOOD = """name = "a1"
allowed = ["n * x <= 4"]
[[objective]]
name = "y"
[job]
script = "run.sh"
[space]
x = { low = 0.0, high = 1.0 }
n = { low = 1, high = 64, integer = true, log = true }
solver = { choice = ["cg", "gmres"] }
restart = { low = 5, high = 50, integer = true, when = { solver = "gmres" } }
[result.y]
file = "out"
match = 'y=(\\S+)'
"""


def mistakes(folder: Path, text: str) -> list[ConfigError]:
    (folder / "run.sh").write_text("true\n")
    file = folder / "c.toml"
    file.write_text(text)
    made, errors = examine_campaign(file)
    assert (made is None) == bool(errors)
    return errors


def test_a_good_file_gives_its_campaign(tmp_path: Path) -> None:
    assert mistakes(tmp_path, GOOD) == []
    made, _ = examine_campaign(tmp_path / "c.toml")
    assert made is not None
    assert [parameter.name for parameter in made.space.parameters] == ["x", "n", "solver", "restart"]
    assert isinstance(made.space.parameters[1], Integer)
    assert isinstance(made.space.parameters[2], Choice)
    assert made.key(12, 1) == "sl.a1.12.1"


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ('name = "a1"', 'name = "a/1"', 1, "letters, digits and dashes"),
        ('name = "y"\n', "", 3, "Name it"),
        ('script = "run.sh"', 'script = "gone.sh"', 6, "gone.sh is not there"),
        ('script = "run.sh"', 'script = "run.sh"\nscripp = 1', 7, "did you mean script"),
        ("high = 1.0", "high = -1.0", 8, "must be below high"),
        ("low = 1,", "low = 0,", 9, "log needs low above 0"),
        ('["cg", "gmres"]', "[]", 10, "choice is a list"),
        ('["cg", "gmres"]', '["cg", "cg"]', 10, "twice"),
        ('{ solver = "gmres" }', '{ solvr = "gmres" }', 11, "not there, or itself"),
        ("n * x <= 4", "n * x", 2, "no single comparison"),
        ("n * x <= 4", "__import__('os').system('x') <= 4", 2, "no arithmetic on parameters"),
        ("n * x <= 4", "m <= 4", 2, "m, which is no parameter"),
        ("match = 'y=(\\S+)'", "match = 'y='", 14, "in parentheses"),
        ("match = 'y=(\\S+)'", "match = 'y=('", 14, "no pattern"),
        ('file = "out"', 'file = "/etc/passwd"', 13, "within the run's own folder"),
        ('file = "out"', 'file = "../other"', 13, "within the run's own folder"),
        ("[result.y]", "[result.z]", 3, "no [result.y]"),
        ("x = {", "'x;reboot' = {", 8, "letters, digits and _"),
        ('script = "run.sh"', 'script = "run.sh"\noptions = ["--array=1-9"]', 7, "set by the campaign itself"),
        ('script = "run.sh"', 'script = "run.sh"\n[limits]\ndeadline = "2027-02-31T06:00:00Z"', 8, "no moment"),
        ('script = "run.sh"', 'script = "run.sh"\n[optimiser]\nuse = "magic"', 8, "expected one of"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_to_do(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    assert old in GOOD
    errors = mistakes(tmp_path, GOOD.replace(old, new, 1))
    matching = [error for error in errors if said in str(error)]
    assert matching, [str(error) for error in errors]
    assert (matching[0].path, matching[0].line) == (tmp_path / "c.toml", line)


def test_a_parameter_may_be_called_like_a_word_of_the_shell(tmp_path: Path) -> None:
    assert mistakes(tmp_path, GOOD.replace("x = {", "if = {").replace("n * x", "n")) == []


def test_several_objectives_need_an_optimiser_that_knows_several(tmp_path: Path) -> None:
    text = GOOD.replace("[job]", '[[objective]]\nname = "y"\n[job]')
    assert "several objectives need" in str(mistakes(tmp_path, text)[0])


@pytest.mark.parametrize("name", ["aerofoil", "sellar", "block-size"])
def test_the_shipped_examples_can_run(name: str) -> None:
    assert examine_campaign(ROOT / "examples" / name / "campaign.toml")[1] == []


@given(st.text(max_size=60))
def test_whatever_a_rule_says_it_is_read_or_refused(text: str) -> None:
    try:
        rule = read_rule(text)
    except RuleWrong:
        return
    assert rule.excess(dict.fromkeys(rule.names, 2)) >= 0


@pytest.mark.parametrize(
    ("text", "point", "excess"),
    [
        ("a * b <= 10", {"a": 3, "b": 4}, 2.0),
        ("a * b <= 12", {"a": 3, "b": 4}, 0.0),
        ("a < 3", {"a": 3}, 1e-12),
        ("max(a, 2) >= abs(-5)", {"a": 4}, 1.0),
        ("s != 'cg'", {"s": "cg"}, 1.0),
        ("1 / a <= 1", {"a": 0}, 1.0),
        ("a <= 1", {"b": 7}, 0.0),
        ("9 ** 9 ** 9 ** 9 >= a", {"a": 1}, 1.0),
    ],
)
def test_a_rule_says_by_how_much_it_is_broken(text: str, point: dict[str, float], excess: float) -> None:
    assert read_rule(text).excess(point) == pytest.approx(excess)


def test_the_bowl_is_a_campaign(tmp_path: Path) -> None:
    assert bowl(tmp_path).limits.at_once == 3


@pytest.mark.parametrize("rule", ["bound", "median", "none"])
def test_an_optimiser_that_takes_values_for_exact_runs_everything_to_its_end(tmp_path: Path, rule: str) -> None:
    tables = (
        f'[optimiser]\nuse = "scipy:cobyqa"\n[running]\nfile = "course"\nsteps = 9\n[early_stop]\nrule = "{rule}"\n'
    )
    smooth = GOOD.replace('allowed = ["n * x <= 4"]\n', "").replace(
        "low = 1, high = 64, integer = true, log = true", "low = 1.0, high = 9.0"
    )
    lines = [line for line in smooth.splitlines() if not line.startswith(("solver", "restart"))]
    errors = mistakes(tmp_path, "\n".join(lines) + "\n" + tables)
    assert [("takes each value for exact" in str(error)) for error in errors] == ([] if rule == "none" else [True])
