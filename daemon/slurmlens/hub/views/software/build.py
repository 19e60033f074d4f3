"""Software to its views: pure. Fed with the inventory's answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from slurmlens.hub.inventory.questions.software import (
    Drift,
    LibraryVersion,
    PackageChange,
    PackageName,
    package_changes,
    versions_by_package,
)
from slurmlens.hub.inventory.read.software import LibraryTold, SoftwareTold, SourceTold
from slurmlens.hub.views.natural_order import natural
from slurmlens.hub.views.software.view import (
    LibraryView,
    NodeSoftwareView,
    PackageLine,
    SetLine,
    SoftwareView,
    SourceView,
)
from slurmlens.shown import format as fmt
from slurmlens.shown.text import visible


def build_node_software_view(
    cluster: str, node: str, told: Sequence[SourceTold], drift: Iterable[Drift], at_ns: int, now_ns: int
) -> NodeSoftwareView:
    """What a node has."""
    sources = tuple(_source(one) for one in told)
    own = tuple(one for one in drift if one.node == node)
    count = fmt.count(sum(one.count for one in sources), "package")
    if not sources:
        sentence = "Its daemon told nothing of its software at this moment."
    elif own:
        sentence = f"{count}; {fmt.count(len(own), 'package')} are not as on the others of its partition."
    else:
        sentence = f"{count}."
    return NodeSoftwareView(
        cluster=cluster, made_ns=now_ns, at_ns=at_ns, node=node, sentence=sentence, sources=sources, drift=own
    )


def build_library_view(cluster: str, name: str, told: LibraryTold, at_ns: int, now_ns: int) -> LibraryView:
    """Who has which version of a library."""
    having = {node for one in told.versions for node in one.nodes}
    versions = {one.version for one in told.versions}
    if told.versions:
        sentence = (
            f"{len(having)} of the {fmt.count(told.telling, 'node')} that tell of their software"
            f" {'has' if len(having) == 1 else 'have'} it, in {fmt.count(len(versions), 'version')}."
        )
    else:
        sentence = f"None of the {fmt.count(told.telling, 'node')} that tell of their software has it at this moment."
    return LibraryView(
        cluster=cluster,
        made_ns=now_ns,
        at_ns=at_ns,
        name=name,
        sentence=sentence,
        versions=tuple(_in_order(one) for one in told.versions),
    )


def build_software_view(cluster: str, told: SoftwareTold, at_ns: int, now_ns: int) -> SoftwareView:
    """All nodes."""
    nodes: Counter[str] = Counter()
    problems: Counter[str] = Counter()
    sets: dict[str, set[str]] = {}
    for one in told.held:
        nodes[one.source] += one.digest is not None
        problems[one.source] += one.problem is not None
        sets.setdefault(one.source, set()).update([one.digest] if one.digest else [])
    drifting = {one.node for one in told.drift.drifts}
    telling = {one.node for one in told.held}
    if not telling:
        sentence = "No node told of its software at this moment."
    elif drifting:
        sentence = f"{len(drifting)} of {fmt.count(len(telling), 'node')} differ from the others of their partition."
    else:
        sentence = f"No node of {len(telling)} differs from the others of its partition."
    return SoftwareView(
        cluster=cluster,
        made_ns=now_ns,
        at_ns=at_ns,
        sentence=sentence,
        sources=tuple(
            SetLine(source=source, nodes=nodes[source], sets=len(own), problems=problems[source])
            for source, own in sorted(sets.items())
        ),
        drift=told.drift.drifts,
        populations=told.drift.populations,
        not_compared=told.drift.too_many,
    )


def package_lines(left: Sequence[SourceTold], right: Sequence[SourceTold]) -> tuple[PackageChange, ...]:
    """In which packages two nodes, or two moments of one, differ; of sources that both told."""
    both = {one.held.source for one in left if one.held.digest} & {one.held.source for one in right if one.held.digest}
    before, after = _versions(left, both), _versions(right, both)
    return tuple(package_changes(before, after))


def _versions(told: Sequence[SourceTold], sources: set[str]) -> dict[PackageName, tuple[str, ...]]:
    found: dict[PackageName, tuple[str, ...]] = {}
    for one in told:
        if one.held.source in sources:
            found |= versions_by_package(one.held.source, one.packages)
    return found


def _source(told: SourceTold) -> SourceView:
    return SourceView(
        source=told.held.source,
        since_ns=told.held.since_ns,
        count=len(told.packages),
        nodes=told.nodes,
        problem=None if told.held.problem is None else visible(told.held.problem),
        packages=tuple(PackageLine(name=one.name, version=one.version, place=one.place) for one in told.packages),
    )


def _in_order(one: LibraryVersion) -> LibraryVersion:
    """Its nodes as people count."""
    return msgspec.structs.replace(one, nodes=tuple(sorted(one.nodes, key=natural)))
