"""Consul's answers: real ones, and anything at all."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.discovery import answers
from slurmlens.discovery.answers import Instance
from slurmlens.errors import DecodeError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
ANYTHING = st.binary(max_size=80) | JSON.map(lambda value: json.dumps(value).encode())


def entry(host: str | None = "10.0.0.9", port: int | None = 2003, *states: str, node: str = "10.0.0.1") -> Any:
    """As Consul 1.8.7 writes it, with what we do not use."""
    return {
        "Node": {"ID": "db2a8e2b", "Node": "n1", "Address": node, "Meta": {"x": ""}},
        "Service": {"ID": "c0", "Service": "carbon", "Tags": ["x"], "Address": host, "Port": port, "Meta": None},
        "Checks": [{"CheckID": f"c{number}", "Status": state} for number, state in enumerate(states)],
    }


def read(*entries: Any) -> tuple[Instance, ...]:
    return answers.instances(json.dumps(entries).encode())


def test_an_instance_is_where_its_service_says_else_where_its_node_is() -> None:
    assert read(entry()) == (Instance("10.0.0.9", 2003, True),)
    assert read(entry(host=""), entry(host=None)) == (Instance("10.0.0.1", 2003, True),) * 2


def test_critical_ones_and_ones_in_maintenance_are_left_out_and_a_warning_is_told() -> None:
    assert read(
        entry("a", 1, "passing"), entry("b", 1, "passing", "critical"), entry("c", 1, "warning", "passing")
    ) == (
        Instance("a", 1, True),
        Instance("c", 1, False),
    )
    assert read(entry("a", 1, "maintenance")) == ()


@pytest.mark.parametrize(
    "odd", [entry("", 1, node=""), entry("a b", 1), entry("a\n", 1), entry("a", 70_000), entry("a", -1)]
)
def test_an_instance_that_nobody_could_connect_to_spoils_only_itself(odd: Any) -> None:
    assert read(odd, entry("good", 1)) == (Instance("good", 1, True),)


def test_lists_may_be_null_and_a_service_may_have_no_port() -> None:
    bare = entry("a", None)
    bare["Checks"] = None
    assert read(bare) == (Instance("a", 0, True),)


def test_pairs_are_named_without_the_prefix_and_folders_are_no_settings() -> None:
    body = json.dumps(
        [
            {"Key": "p/", "Value": None},
            {"Key": "p/a/", "Value": None},
            {"Key": "p/a/b", "Value": base64.b64encode(b"5").decode(), "Flags": 0},
            {"Key": "p/empty", "Value": None},
            {"Key": "q/a", "Value": None},
        ]
    ).encode()
    assert answers.pairs(body, "p/") == {"a/b": b"5", "empty": b""}


@given(
    st.dictionaries(st.text(min_size=1, max_size=20).filter(lambda key: not key.endswith("/")), st.binary(max_size=50))
)
def test_whatever_bytes_are_in_the_kv_come_out_of_it(known: dict[str, bytes]) -> None:
    body = json.dumps(
        [{"Key": f"p/{key}", "Value": base64.b64encode(value).decode()} for key, value in known.items()]
    ).encode()
    assert answers.pairs(body, "p/") == known


@given(ANYTHING)
def test_anything_at_all_is_an_answer_or_a_decode_error(body: bytes) -> None:
    for decode in (answers.instances, lambda body: answers.pairs(body, "p/"), answers.keys):
        with suppress(DecodeError):
            decode(body)
    assert answers.refusal(body).isprintable()


@given(st.none() | st.text(max_size=15) | st.integers(0, 2**63).map(str))
def test_an_index_is_a_whole_number_or_it_was_not_consul(header: str | None) -> None:
    if header is not None and header.isascii() and header.isdigit():
        assert answers.index_of(header) == int(header)
    else:
        with pytest.raises(DecodeError):
            answers.index_of(header)


def test_a_transaction_that_was_rolled_back_says_why() -> None:
    body = b'{"Results":null,"Errors":[{"OpIndex":1,"What":"failed to set key \\"x\\", index is stale"}]}'
    assert answers.refusal(body) == 'operation 1: failed to set key "x", index is stale'
    assert answers.refusal(b"rpc error\x00\x1b[31m") == "rpc error??[31m"
