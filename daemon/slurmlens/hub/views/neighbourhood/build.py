"""Neighbourhoods, blast radii and differences to their views: pure. Fed with the inventory's answers."""

from __future__ import annotations

from urllib.parse import quote

from slurmlens.hub.inventory.entities import Entity
from slurmlens.hub.inventory.questions.blast_radius import BlastRadius
from slurmlens.hub.inventory.questions.difference import Difference, differences
from slurmlens.hub.inventory.questions.neighbourhood import Neighbourhood
from slurmlens.hub.inventory.questions.software import PackageChange
from slurmlens.hub.inventory.software import SET_ATTRIBUTES
from slurmlens.hub.inventory.states import EntityState
from slurmlens.hub.views.entity.words import label, relation_words, value_text
from slurmlens.hub.views.neighbourhood.view import (
    BlastRadiusView,
    DifferenceLine,
    DifferenceView,
    LinkLine,
    NeighbourhoodView,
    NeighbourLine,
)
from slurmlens.shown import format as fmt
from slurmlens.shown.text import visible

PLURALS = {
    "job": "jobs",
    "node": "nodes",
    "user": "users",
    "account": "accounts",
    "partition": "partitions",
    "group": "groups",
    "switch": "switches",
}
"""Kinds that have a page of their own, by their part of its address."""


def entity_address(entity: Entity) -> str | None:
    """The page of an entity; None where its kind has none."""
    if entity.kind == "job":
        return f"/jobs/{quote(entity.name, safe='/')}"
    if entity.kind == "campaign":
        return f"/campaigns/{quote(entity.name, safe='/')}"
    if entity.kind == "software":
        return f"/software/{quote(entity.name, safe='')}"
    place = PLURALS.get(entity.kind)
    return None if place is None else f"/{place}/{quote(entity.name, safe='')}"


def build_neighbourhood_view(cluster: str, found: Neighbourhood, now_ns: int) -> NeighbourhoodView:
    """The neighbourhood; links are by the entities' places in the list."""
    places = {one.entity: place for place, one in enumerate(found.entities)}
    return NeighbourhoodView(
        cluster=cluster,
        made_ns=now_ns,
        at_ns=found.at_ns,
        kind=found.root.kind,
        name=found.root.name,
        depth=found.depth,
        entities=tuple(
            NeighbourLine(
                kind=one.entity.kind,
                name=one.entity.name,
                distance=one.distance,
                address=entity_address(one.entity),
            )
            for one in found.entities
        ),
        links=tuple(
            LinkLine(
                first=places[one.entity],
                second=places[one.other],
                relation=one.relation,
                words=relation_words(one.relation, forward=True),
                since_ns=one.valid_from_ns,
            )
            for one in found.relations
        ),
        has_more=found.has_more,
    )


def build_blast_radius_view(cluster: str, found: BlastRadius, now_ns: int) -> BlastRadiusView:
    """Whom it touches, with the sentence first."""
    jobs, users = fmt.count(len(found.jobs), "job"), fmt.count(len(found.users), "user")
    least = "at least " if found.has_more else ""
    nodes = fmt.count(len(found.nodes), "node")
    below = f" on {nodes}" if found.entity.kind in ("switch", "cluster") else ""
    return BlastRadiusView(
        cluster=cluster,
        made_ns=now_ns,
        at_ns=found.at_ns,
        kind=found.entity.kind,
        name=found.entity.name,
        sentence=f"{least}{jobs} of {users}{below}." if found.jobs else f"No job is touched{below}.",
        nodes=found.nodes,
        nodes_touched=found.nodes_touched,
        users=found.users,
        accounts=found.accounts,
        partitions=found.partitions,
        jobs=found.jobs,
        has_more=found.has_more,
    )


def build_difference_view(
    cluster: str,
    left: EntityState,
    right: EntityState,
    now_ns: int,
    packages: tuple[PackageChange, ...] = (),
) -> DifferenceView:
    """In what the two differ, `packages` beside their facts; the sentence says of whom nothing is known."""
    found = [one for one in differences(left, right) if one.attribute not in SET_ATTRIBUTES]
    untold = [visible(one.entity.name) for one in (left, right) if not one.facts and not one.relations]
    if untold:
        sentence = f"Nothing is known of {' and '.join(untold)} at that moment."
    elif not found and not packages:
        sentence = "They do not differ in anything that is known."
    else:
        counted = [fmt.count(len(found), "attribute")] if found or not packages else []
        counted += [fmt.count(len(packages), "package")] if packages else []
        sentence = f"They differ in {' and '.join(counted)}."
    return DifferenceView(
        cluster=cluster,
        made_ns=now_ns,
        kind=left.entity.kind,
        left_name=left.entity.name,
        left_ns=left.at_ns,
        right_name=right.entity.name,
        right_ns=right.at_ns,
        sentence=sentence,
        differences=tuple(map(_line, found)),
        packages=packages,
    )


def _line(one: Difference) -> DifferenceLine:
    return DifferenceLine(
        attribute=one.attribute,
        label=label(one.attribute),
        left=None if one.left is None else visible(value_text(one.attribute, one.left)),
        right=None if one.right is None else visible(value_text(one.attribute, one.right)),
        since_ns=one.since_ns,
    )
