"""A node that is made otherwise than all others of its group. Pure.

A group is the nodes of the same partitions and cores. Of four and more, one node (of many a tenth at most) whose value
of an attribute the rest of the group does not have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from slurmlens.hub.findings.claims import Claim, FindingKind
from slurmlens.hub.findings.observed import NodeMakeup, Observed
from slurmlens.hub.inventory.entities import Entity

LEAST_GROUP = 4
SCORE = 2.0


def drifting_nodes(observed: Observed) -> Iterator[Claim]:
    """One claim for each node and attribute."""
    groups: dict[str, list[NodeMakeup]] = {}
    for node in observed.nodes.values():
        groups.setdefault(node.group, []).append(node)
    for members in groups.values():
        if len(members) < LEAST_GROUP:
            continue
        for attribute in sorted({name for node in members for name in node.attributes}):
            yield from _drifting(attribute, members, observed.now_ns)


def _drifting(attribute: str, members: Sequence[NodeMakeup], now_ns: int) -> Iterator[Claim]:
    told = [node for node in members if attribute in node.attributes]
    counts = Counter(str(node.attributes[attribute]) for node in told)
    if len(told) < LEAST_GROUP or len(counts) < 2:
        return
    usual, many = counts.most_common(1)[0]
    few = max(1, len(told) // 10)
    for node in told:
        value = str(node.attributes[attribute])
        if value != usual and counts[value] <= few and many >= len(told) - 2 * few:
            words = attribute.replace("_", " ")
            yield Claim(
                kind=FindingKind.DRIFT,
                subject=Entity("node", node.node),
                detail=attribute,
                score=SCORE,
                basis=f"{many} of {len(told)} nodes of its group have {usual}",
                from_ns=now_ns,
                to_ns=now_ns,
                sentence=f"{node.node} differs from its group: {words} is {value}, {usual} on {many} of {len(told)}.",
                hint=f"{node.node} differs from its group in {words}.",
                values={"node": node.node, "attribute": attribute, "value": value, "usual": usual},
            )
