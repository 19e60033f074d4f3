"""Kafka records of events: the line untouched, one key a job, and nothing but DecodeError for what is no event."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.errors import DecodeError
from slurmlens.events import KIND_OF, AnyEvent, LinesDropped, MachineState, NodeHeartbeat, NodeSoftware
from slurmlens.wire import ecs
from slurmlens.wire.kafka_records import KafkaRecord, record, records
from testkit.event_samples import events, one_of_each


def test_all_events_of_a_job_have_one_key_and_those_of_the_node_another() -> None:
    of_the_node = (NodeHeartbeat, LinesDropped, MachineState, NodeSoftware)
    keys = {record(ecs.encode(event)).key for event in one_of_each() if not isinstance(event, of_the_node)}
    assert keys == {b"demo/17"}
    keys = {record(ecs.encode(event)).key for event in one_of_each() if isinstance(event, of_the_node)}
    assert keys == {b"demo/node/n0"}


@pytest.mark.thorough
@given(st.lists(events(), max_size=5))
def test_values_are_the_lines_in_their_order_with_the_events_own_time_and_names(told: list[AnyEvent]) -> None:
    lines = [ecs.encode(event) for event in told]
    made = [one for _, one in records(b"".join(line + b"\n" for line in lines))]
    assert [one.value for one in made if isinstance(one, KafkaRecord)] == lines
    for one, event in zip(made, told, strict=True):
        assert isinstance(one, KafkaRecord)
        assert one.timestamp_ms == event.time_ns // 1_000_000
        assert dict(one.headers) == {
            "slurm.id": event.id.encode(),
            "slurm.kind": KIND_OF[type(event)].value.encode(),
            "slurm.schema": b"1",
        }


@given(events())
def test_the_key_is_the_cluster_and_what_the_document_says_of_the_job(event: AnyEvent) -> None:
    line = ecs.encode(event)
    slurm = json.loads(line)["slurm"]
    job_id = slurm.get("job", slurm).get("job_id")
    wanted = f"{event.cluster}/{job_id}" if job_id is not None else f"{event.cluster}/node/{event.node}"
    assert record(line).key == wanted.encode()


@given(
    st.binary(max_size=200) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(repr).map(str.encode)
)
def test_what_is_no_event_is_refused_and_nothing_else_is_raised(line: bytes) -> None:
    with pytest.raises(DecodeError):
        record(line)


def test_a_line_that_is_none_spoils_only_itself_and_is_told_by_its_number() -> None:
    good = ecs.encode(one_of_each()[0])
    made = list(records(good + b"\n\n{torn\n" + good + b"\n"))
    assert [number for number, _ in made] == [1, 3, 4]
    assert [type(one) for _, one in made] == [KafkaRecord, DecodeError, KafkaRecord]


@pytest.mark.parametrize("field", ["schema", "kind", "id", "time_ns", "cluster", "node"])
def test_an_event_that_lacks_what_a_record_needs_is_named_by_it(field: str) -> None:
    document = json.loads(ecs.encode(one_of_each()[0]))
    del document["slurm"][field]
    with pytest.raises(DecodeError, match=field):
        record(json.dumps(document).encode())
