"""Where a document of a log line has its fields, whoever wrote it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from slurmlens.wire import log_fields
from slurmlens.wire.log_fields import LineFields, fields_in, value_at


def test_the_first_name_counts_that_is_there_and_no_document() -> None:
    document = {"host": {"name": "n1"}, "hostname": "n2", "message": {"a": 1}, "msg": "hello"}
    at = fields_in(document)
    assert value_at(document, at.node) == "n1"
    assert value_at(document, at.message) == "hello"
    assert value_at(document, at.program) is None


def test_a_dot_goes_into_a_document_or_stands_in_the_name() -> None:
    for document in ({"process": {"pid": 7}}, {"process.pid": 7}, {"@fields": {"pid": 7}}, {"pid": [7, 8]}):
        assert value_at(document, fields_in(document).pid) == 7


def test_documents_of_the_same_names_and_other_values_are_looked_at_alike() -> None:
    for host, node in (("n1", "n1"), ({"name": "n2"}, "n2"), (None, None), ({"name": {"deep": 1}}, None)):
        document = {"host": host}
        assert value_at(document, fields_in(document).node) == node


@given(st.dictionaries(st.text(max_size=20) | st.sampled_from(sorted(log_fields._KNOWN)), st.integers(), max_size=40))
def test_what_is_found_is_what_a_look_at_each_name_finds(document: dict[str, Any]) -> None:
    found = [value_at(document, places) for places in fields_in(document)]
    looked = [next((document[name] for name in names if name in document), None) for names in LineFields()]
    assert found == looked


def test_names_that_nobody_knows_are_not_remembered() -> None:
    before = log_fields._places.cache_info().currsize
    for number in range(300):
        fields_in({f"unheard-of-{number}": 1})
    assert log_fields._places.cache_info().currsize <= before + 1
