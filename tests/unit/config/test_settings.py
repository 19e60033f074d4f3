"""A table of settings behaves as the frozen dataclass that it is."""

from __future__ import annotations

import dataclasses

import pytest

from slurmlens.config.setting import Settings, setting


class Small(Settings):
    """A table."""

    seconds: float = setting(1.0, "how long")
    name: str = setting("n", "what")


class Larger(Small):
    """A table that has what another has."""

    more: int = setting(3, "how many")


def test_what_is_not_given_has_its_default() -> None:
    made = Small(seconds=2.5)
    assert (made.seconds, made.name) == (2.5, "n")


def test_equal_values_of_one_class_are_equal() -> None:
    assert Small() == Small(name="n")
    assert hash(Small()) == hash(Small(name="n"))
    assert Small() != Small(name="m")
    assert Small() != Larger()


def test_nothing_can_be_changed_or_made_up() -> None:
    made = Small()
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.name = "m"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del made.name
    with pytest.raises(TypeError, match="Small has no other"):
        Small(other=1)  # type: ignore[call-arg]


def test_the_tools_for_dataclasses_work() -> None:
    assert [field.name for field in dataclasses.fields(Larger)] == ["seconds", "name", "more"]
    assert dataclasses.replace(Larger(seconds=7), more=4) == Larger(seconds=7, more=4)
    assert repr(Small()) == "Small(seconds=1.0, name='n')"
