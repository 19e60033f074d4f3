"""The space: every place in the unit cube is a legal point, and a point has one text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.campaign.rule import read_rule
from slurmlens.campaign.space import Choice, Integer, Parameter, Real, Space, canonical

UNIT = st.floats(0, 1)
PARAMETERS: list[Parameter] = [
    Real("a", -1.0, 2.0),
    Real("b", 1e-6, 10.0, log=True),
    Real("c", 0.0, 1.0, step=0.1),
    Integer("d", -3, 12),
    Integer("e", 1, 1000, log=True),
    Integer("f", 8, 64, step=8),
    Choice("g", ("x", 2, 3.5)),
]


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda one: one.name)
@given(unit=UNIT)
def test_a_coordinate_gives_a_legal_value_that_gives_the_same_value_again(parameter: Parameter, unit: float) -> None:
    value = parameter.from_unit(unit)
    if not isinstance(parameter, Choice):
        assert parameter.low <= float(value) <= parameter.high
    again = parameter.from_unit(parameter.to_unit(value))
    assert again == (pytest.approx(value) if isinstance(value, float) else value)


def test_every_value_of_a_whole_number_is_reached_and_none_twice_as_often() -> None:
    one = Integer("n", 0, 9)
    assert [one.from_unit((k + 0.5) / 10) for k in range(10)] == list(range(10))
    assert one.from_unit(1.0) == 9


SPACE = Space(
    (
        Choice("solver", ("cg", "gmres")),
        Integer("restart", 5, 50, when=(("solver", ("gmres",)),)),
        Real("tol", 0.0, 1.0),
    ),
    (read_rule("restart * tol <= 10"),),
)


def test_an_inactive_parameter_is_absent() -> None:
    assert SPACE.decode([0.1, 0.9, 0.5]) == {"solver": "cg", "tol": 0.5}
    assert SPACE.decode([0.9, 0.0, 0.5]) == {"solver": "gmres", "restart": 5, "tol": 0.5}


def test_points_that_a_job_cannot_tell_apart_have_one_text() -> None:
    assert canonical(SPACE.decode([0.1, 0.9, 0.5])) == canonical(SPACE.decode([0.2, 0.1, 0.5]))


def test_a_broken_rule_is_named() -> None:
    assert SPACE.refusal({"solver": "gmres", "restart": 50, "tol": 1.0}) == ("restart * tol <= 10", 40.0)
    assert SPACE.refusal({"solver": "cg", "tol": 1.0}) is None


@given(st.tuples(UNIT, UNIT, UNIT))
def test_encoding_is_the_inverse_of_decoding(units: tuple[float, ...]) -> None:
    point = SPACE.decode(units)
    assert SPACE.decode(SPACE.encode(point)) == {
        name: pytest.approx(value) if isinstance(value, float) else value for name, value in point.items()
    }
