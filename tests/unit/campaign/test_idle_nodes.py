"""What is idle now is told to whoever plans a campaign, and how many of its runs would fit there."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from slurmlens.campaign.idle import IdleNow, idle_now, idle_words
from slurmlens.campaign.settings import Campaign, LimitSettings
from slurmlens.clock import NS_PER_S
from slurmlens.hub.inventory.entities import CONTAINS, Entity, HeldFact, HeldRelation
from slurmlens.hub.views.campaign.idle import IdlePartition, idle_partitions
from testkit.campaigns import bowl

TOLD = """\
n1|idle|0/16/0/16|all*
n1|idle|0/16/0/16|gpu
n2|mixed|12/4/0/16|all*
n3|allocated|16/0/0/16|all*
n4|drained|0/0/16/16|all*
n5|idle~|0/16/0/16|gpu
sinfo: some warning
"""


def campaign(folder: Path, at_once: int, nodes: int) -> Campaign:
    made = bowl(folder)
    return dataclasses.replace(
        made,
        job=dataclasses.replace(made.job, nodes=nodes),
        limits=LimitSettings(at_once=at_once, points=100),
    )


def test_nodes_that_are_wholly_idle_are_counted_in_the_partition_that_is_meant() -> None:
    assert idle_now(TOLD, None) == IdleNow("all", 1, 4, 20)
    assert idle_now(TOLD, "gpu") == IdleNow("gpu", 1, 2, 16)
    assert idle_now(TOLD, "nowhere") is None
    assert idle_now("", None) is None


def test_the_sentence_says_how_many_runs_would_have_nodes_of_their_own(tmp_path: Path) -> None:
    assert idle_words(IdleNow("all", 7, 9, 112), campaign(tmp_path, 8, 2)) == (
        "idle now in all: 7 of 9 nodes, 112 cores; 3 of 8 runs of 2 nodes would have nodes of their own at once"
    )
    assert "2 of 2 runs of 1 node would" in idle_words(IdleNow("all", 7, 9, 112), campaign(tmp_path, 2, 1))


@given(st.text(max_size=200), st.none() | st.just("all"))
def test_no_answer_of_sinfo_breaks_it(told: str, partition: str | None) -> None:
    idle_now(told, partition)


def node(name: str, state: str, cores: int) -> list[HeldFact]:
    entity = Entity("node", name)
    return [
        HeldFact(entity=entity, attribute=attribute, value=value, valid_from_ns=NS_PER_S, source="slurm")
        for attribute, value in (("state", state), ("cpu_count", cores))
    ]


def test_the_hub_counts_idle_nodes_by_partition_and_leaves_out_what_takes_no_jobs() -> None:
    facts = [
        *node("n1", "IDLE", 16),
        *node("n2", "MIXED", 16),
        *node("n3", "IDLE+DRAIN", 16),
        *node("n4", "IDLE+RESERVED", 8),
    ]
    contained = [
        HeldRelation(
            entity=Entity("partition", "all"),
            relation=CONTAINS,
            other=Entity("node", name),
            valid_from_ns=NS_PER_S,
            source="slurm",
        )
        for name in ("n1", "n2", "n3", "n4")
    ]
    assert idle_partitions(facts, contained) == (IdlePartition(partition="all", nodes=3, idle_nodes=1, idle_cores=16),)
