"""Settings from the KV over the file's: each alone, checked as the file's are."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmlens.config.consul import NODE_RUNTIME_KEYS
from slurmlens.config.convert import all_keys
from slurmlens.config.node import NodeConfig, SamplingConfig
from slurmlens.discovery.overrides import Overrides

FLEET, OWN = "slurmlens/demo/node/", "slurmlens/demo/nodes/n0/"
BASE = NodeConfig(cluster="demo", node="n0", sampling=SamplingConfig(interval_s=5.0))
KEY = "sampling/interval_s"


@pytest.fixture
def overrides() -> Overrides[NodeConfig]:
    return Overrides(BASE, NODE_RUNTIME_KEYS, (FLEET, OWN))


def test_nothing_in_the_kv_leaves_the_file_as_it_is(overrides: Overrides[NodeConfig]) -> None:
    assert overrides.take(FLEET, {}) == []
    assert overrides.effective == BASE


def test_a_key_overrides_its_setting_alone(overrides: Overrides[NodeConfig]) -> None:
    assert overrides.take(FLEET, {KEY: b"2.5\n", "log/level": b"debug"}) == []
    assert overrides.effective.sampling == dataclasses.replace(BASE.sampling, interval_s=2.5)
    assert overrides.effective.log.level == "debug"
    assert overrides.accepted == {FLEET + KEY: "2.5", FLEET + "log/level": "debug"}


def test_text_may_have_quotes(overrides: Overrides[NodeConfig]) -> None:
    overrides.take(FLEET, {"log/level": b'"warning"'})
    assert overrides.effective.log.level == "warning"


def test_the_nodes_own_key_wins_and_when_it_goes_the_fleets_holds_and_then_the_file(
    overrides: Overrides[NodeConfig],
) -> None:
    overrides.take(OWN, {KEY: b"1"})
    overrides.take(FLEET, {KEY: b"2"})
    assert overrides.effective.sampling.interval_s == 1
    overrides.take(OWN, {})
    assert overrides.effective.sampling.interval_s == 2
    overrides.take(FLEET, {})
    assert overrides.effective == BASE


@pytest.mark.parametrize(
    ("name", "raw", "wanted"),
    [
        (KEY, b"0.001", "too small; the least is 0.1"),
        (KEY, b"ten", 'expected a number of seconds, found "ten"'),
        (KEY, b"10s", "write interval_s = 10"),
        (KEY, b"nan", "found nan"),
        (KEY, b"1\nslots = 3", "expected a number of seconds"),
        (KEY, b"", "expected a number of seconds"),
        (KEY, b"\xff\xfe", "is not UTF-8"),
        (KEY, b"1" * 5000, "5000 bytes are no setting"),
        ("log/level", b"loud", "expected one of debug, info"),
        ("sampling/intervall_s", b"1", "did you mean interval_s?"),
        ("sampling", b"{interval_s = 1}", "takes a restart"),
        ("slots", b"4", "takes a restart"),
        ("dropbox_path", b'"/tmp"', "takes a restart"),
        ("sinks/hub/url", b'"http://evil:1"', "takes a restart"),
        ("consul/url", b'"http://evil:1"', "takes a restart"),
        ("a\nb", b"1", "unknown key"),
    ],
)
def test_a_bad_value_is_refused_alone_and_the_error_names_its_key(
    overrides: Overrides[NodeConfig], name: str, raw: bytes, wanted: str
) -> None:
    (error,) = overrides.take(FLEET, {name: raw, "profile/send_interval_s": b"30"})
    assert wanted in str(error)
    assert str(error).startswith(FLEET + (name if name.isprintable() else "a\\nb"))
    assert "\n" not in str(error)
    assert overrides.effective == dataclasses.replace(
        BASE, profile=dataclasses.replace(BASE.profile, send_interval_s=30.0)
    )
    assert overrides.refused == [str(error)]


def test_what_a_key_said_before_holds_while_it_says_nonsense(overrides: Overrides[NodeConfig]) -> None:
    overrides.take(FLEET, {KEY: b"2"})
    assert len(overrides.take(FLEET, {KEY: b"two"})) == 1
    assert overrides.effective.sampling.interval_s == 2
    assert overrides.take(FLEET, {KEY: b"two"}) == [], "told once"
    assert len(overrides.refused) == 1
    assert len(overrides.take(FLEET, {KEY: b"zwei"})) == 1, "other nonsense is told again"
    assert overrides.take(FLEET, {KEY: b"3"}) == []
    assert (overrides.refused, overrides.effective.sampling.interval_s) == ([], 3)


def test_every_key_that_may_change_is_a_setting_and_none_of_them_a_table() -> None:
    tables = {path[:-1] for path in all_keys(NodeConfig)}
    assert set(all_keys(NodeConfig)) >= NODE_RUNTIME_KEYS
    assert not tables & NODE_RUNTIME_KEYS


@settings(deadline=None, max_examples=50)
@given(
    st.dictionaries(
        st.sampled_from(["/".join(path) for path in NODE_RUNTIME_KEYS] + ["slots", "x/y", "", "/", "log//level"]),
        st.binary(max_size=20) | st.floats().map(lambda value: str(value).encode()),
    ),
    st.dictionaries(st.text(max_size=10), st.binary(max_size=20), max_size=3),
)
def test_whatever_stands_in_the_kv_the_settings_stay_ones_that_the_file_could_have(
    known: dict[str, bytes], strange: dict[str, bytes]
) -> None:
    overrides = Overrides(BASE, NODE_RUNTIME_KEYS, (FLEET, OWN))
    pairs = strange | known
    errors = overrides.take(FLEET, pairs)
    effective = overrides.effective
    assert len(errors) + len(overrides.accepted) == len(pairs)
    assert 0.1 <= effective.sampling.interval_s <= 3600
    assert effective.log.level in {"debug", "info", "warning", "error"}
    assert (effective.slots, effective.node, effective.consul) == (BASE.slots, BASE.node, None)
    assert overrides.take(FLEET, pairs) == []
