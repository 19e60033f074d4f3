"""What is asked of packages: what differs, which versions there are, who drifts from the group, what failed runs had.

Pure. Owns the types of the answers, which views show as they are: their field names are the JSON's. A package is
compared by its source, name and place; of one there may be several versions at once. Fed by `read.software_sets` with
sets and with which node had which; feeds views and `common_cause`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from slurmlens.events import Package
from slurmlens.hub.inventory.common_cause import Candidate

LEAST_GROUP = 4
USUAL_SHARE = 0.8
"""A version is the group's where so large a share of its nodes has it."""

POPULATION_SHARE = 0.2
"""Two versions with so large a share each are two populations: a roll-out that is under way, or was left."""

MOST_SETS = 500
MOST_DRIFTS = 2_000


class PackageName(msgspec.Struct, frozen=True, order=True):
    """What makes two packages of two nodes the same one."""

    source: str
    name: str
    place: str


class NodeSet(msgspec.Struct, frozen=True, kw_only=True):
    """Which set a node has of a source, and since when; with `problem` nothing newer is known, and why."""

    node: str
    source: str
    digest: str | None = None
    since_ns: int = 0
    problem: str | None = None


class PackageChange(PackageName, frozen=True, kw_only=True):
    """A package whose versions differ between two nodes, or two moments; empty: it is not there."""

    left: tuple[str, ...]
    right: tuple[str, ...]


class LibraryVersion(PackageName, frozen=True, kw_only=True):
    """One version of one package, and the nodes that have it."""

    version: str
    nodes: tuple[str, ...]


class Drift(PackageName, frozen=True, kw_only=True):
    """A node whose version of a package is not its group's, which `share` of the group's nodes have; empty: it does not
    have it."""

    node: str
    group: str
    has: tuple[str, ...]
    usual: tuple[str, ...]
    share: float
    of: int


class Populations(PackageName, frozen=True, kw_only=True):
    """A group that has no usual version of a package: the two most common ones, and how many nodes have each."""

    group: str
    first: tuple[str, ...]
    first_nodes: int
    second: tuple[str, ...]
    second_nodes: int
    of: int


class DriftReport(msgspec.Struct, frozen=True, kw_only=True):
    """All groups of a moment; `too_many` are groups (with source) of more different sets than are compared."""

    drifts: tuple[Drift, ...] = ()
    populations: tuple[Populations, ...] = ()
    too_many: tuple[str, ...] = ()


Sets = Mapping[str, Sequence[Package]]
"""Packages by the digest of their set."""


def versions_by_package(source: str, packages: Iterable[Package]) -> dict[PackageName, tuple[str, ...]]:
    """A set by package."""
    found: dict[PackageName, list[str]] = defaultdict(list)
    for one in packages:
        found[PackageName(source, one.name, one.place)].append(one.version)
    return {package: tuple(sorted(versions)) for package, versions in found.items()}


def package_changes(
    left: Mapping[PackageName, tuple[str, ...]], right: Mapping[PackageName, tuple[str, ...]]
) -> list[PackageChange]:
    """What appeared, vanished or has another version, by name."""
    return [
        PackageChange(*_named_by(package), left=left.get(package, ()), right=right.get(package, ()))
        for package in sorted(left.keys() | right.keys())
        if left.get(package) != right.get(package)
    ]


def library_versions(name: str, held: Iterable[NodeSet], sets: Sets) -> list[LibraryVersion]:
    """Every version of what has this name, most common first."""
    nodes: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in held:
        if one.digest is not None:
            nodes[one.source, one.digest].append(one.node)
    having: dict[tuple[PackageName, str], list[str]] = defaultdict(list)
    for (source, digest), own in nodes.items():
        for package in sets.get(digest, ()):
            if package.name == name:
                having[PackageName(source, name, package.place), package.version] += own
    found = [
        LibraryVersion(*_named_by(package), version=version, nodes=tuple(sorted(set(own))))
        for (package, version), own in having.items()
    ]
    return sorted(found, key=lambda one: (-len(one.nodes), _named_by(one), one.version))


def drift_report(groups: Mapping[str, Iterable[str]], held: Iterable[NodeSet], sets: Sets) -> DriftReport:
    """Who drifts in each group of nodes; a group of fewer than `LEAST_GROUP` that tell has no usual version."""
    by_source: dict[str, dict[str, str]] = defaultdict(dict)
    for one in held:
        if one.digest is not None and one.digest in sets:
            by_source[one.source][one.node] = one.digest
    drifts: list[Drift] = []
    populations: list[Populations] = []
    too_many: list[str] = []
    for group, members in sorted(groups.items()):
        names = sorted(set(members))
        for source, digests in sorted(by_source.items()):
            own = {node: digests[node] for node in names if node in digests}
            if len(own) < LEAST_GROUP:
                continue
            if len(set(own.values())) > MOST_SETS:
                too_many.append(f"{group} ({source})")
                continue
            for said in _compared(group, source, own, sets):
                (drifts if isinstance(said, Drift) else populations).append(said)  # type: ignore[arg-type]
    return DriftReport(
        drifts=tuple(drifts[:MOST_DRIFTS]), populations=tuple(populations[:MOST_DRIFTS]), too_many=tuple(too_many)
    )


def _compared(group: str, source: str, own: Mapping[str, str], sets: Sets) -> Iterator[Drift | Populations]:
    weights = Counter(own.values())
    if len(weights) < 2:
        return
    by_digest = {digest: versions_by_package(source, sets[digest]) for digest in weights}
    names = {package for versions in by_digest.values() for package in versions}
    for package in sorted(names):
        counts: Counter[tuple[str, ...]] = Counter()
        for digest, count in weights.items():
            counts[by_digest[digest].get(package, ())] += count
        if len(counts) < 2:
            continue
        (usual, many), (second, some) = sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:2]
        if many >= USUAL_SHARE * len(own):
            for node, digest in sorted(own.items()):
                has = by_digest[digest].get(package, ())
                if has != usual:
                    share, of = many / len(own), len(own)
                    yield Drift(*_named_by(package), node=node, group=group, has=has, usual=usual, share=share, of=of)
        elif some >= POPULATION_SHARE * len(own):
            yield Populations(
                *_named_by(package),
                group=group,
                first=usual,
                first_nodes=many,
                second=second,
                second_nodes=some,
                of=len(own),
            )


def software_candidates(sources: Mapping[str, str], sets: Sets) -> dict[str, frozenset[Candidate]]:
    """By digest of a set: the candidates for a common cause that a node with this set has.

    `sources` are sources by digest. What every set of a source has cannot explain anything and is left out; packages
    that are in the same sets cannot be told apart, and are one candidate, named by the first of them.
    """
    by_source: dict[str, list[str]] = defaultdict(list)
    for digest, source in sources.items():
        if digest in sets:
            by_source[source].append(digest)
    found: dict[str, list[Candidate]] = defaultdict(list)
    for source, digests in sorted(by_source.items()):
        if not 1 < len(digests) <= MOST_SETS:
            continue
        having: dict[Package, list[str]] = defaultdict(list)
        for digest in sorted(digests):
            for package in sets[digest]:
                having[package].append(digest)
        together: dict[tuple[str, ...], list[Package]] = defaultdict(list)
        for package, own in having.items():
            if len(own) < len(digests):
                together[tuple(own)].append(package)
        for own_digests, packages in together.items():
            candidate = Candidate("software", _named(source, sorted(packages)))
            for digest in own_digests:
                found[digest].append(candidate)
    return {digest: frozenset(candidates) for digest, candidates in found.items()}


def _named_by(package: PackageName) -> tuple[str, str, str]:
    return package.source, package.name, package.place


def _named(source: str, packages: Sequence[Package]) -> str:
    first = packages[0]
    more = f" and {len(packages) - 1} more" if len(packages) > 1 else ""
    return f"{source} {first.name} {first.version}".rstrip() + more
