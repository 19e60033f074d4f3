"""Host lists, as Slurm writes them and as nobody should."""

from __future__ import annotations

import contextlib
import tracemalloc

import pytest
from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.errors import DecodeError
from slurmlens.slurm.hostlist import MAX_NODES, expand, fold


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("hvn[0-1]", ("hvn0", "hvn1")),
        ("c[01-03,07],login", ("c01", "c02", "c03", "c07", "login")),
        ("r[1-2]n[1-2]", ("r1n1", "r1n2", "r2n1", "r2n2")),
        ("a[1-2]-ib", ("a1-ib", "a2-ib")),
        ("hpc-[71,231,22]", ("hpc-71", "hpc-231", "hpc-22")),
        ("b2,a[2,1],b2,login", ("b2", "a2", "a1", "login")),
        ("n[1-2][3-4]", ("n13", "n14", "n23", "n24")),
        ("n[001-002,1]", ("n001", "n002", "n1")),
        ("c[0-4/2]", ("c0", "c2", "c4")),
        ("", ()),
        ("None assigned", ()),
        ("(null)", ()),
        (None, ()),
    ],
)
def test_host_lists_are_expanded_in_order(text: str | None, names: tuple[str, ...]) -> None:
    assert expand(text) == names


@pytest.mark.parametrize("text", ["a[1-", "[", "a[x-y]", "a[3-1]", "a b", "a,,b", "a]", "a[]", "x" * 300])
def test_what_is_no_host_list_is_refused(text: str) -> None:
    with pytest.raises(DecodeError) as refused:
        expand(text)
    assert refused.value.reason == "hostlist"


def test_a_host_list_of_billions_is_refused_before_it_is_built() -> None:
    expand("c[1-2]")  # what is loaded with the first one is not counted
    tracemalloc.start()
    try:
        for text in ("c[1-999999999]", "c[1-99999]n[1-99999]", "a[1-99999],b[1-99999],c[1-99999]"):
            with pytest.raises(DecodeError, match=str(MAX_NODES)):
                expand(text)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes < 1024 * 1024


def test_groups_are_names_and_read_no_configuration() -> None:
    assert expand("@all") == ("@all",)


@given(st.sets(st.integers(0, 500), min_size=1, max_size=50))
def test_folding_and_expanding_lose_nothing(numbers: set[int]) -> None:
    names = {f"c{number}" for number in numbers}
    assert set(expand(fold(names))) == names


@given(
    st.lists(
        st.builds(
            lambda head, number, width: f"{head}{number:0{width}}",
            st.sampled_from(["c", "n-", "rack1n", "a.b"]),
            st.integers(0, 120),
            st.integers(1, 4),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_names_are_folded_as_clustershell_folds_them(names: list[str]) -> None:
    assert fold(names) == str(NodeSet.fromlist(names, resolver=RESOLVER_NOGROUP))


@given(st.text(max_size=60))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    with contextlib.suppress(DecodeError):
        expand(text)


_ranges = st.lists(st.integers(0, 30) | st.tuples(st.integers(0, 9), st.integers(10, 20)), min_size=1, max_size=4)


def _bracket(ranges: list[int | tuple[int, int]]) -> str:
    return ",".join(str(one) if isinstance(one, int) else f"{one[0]}-{one[1]}" for one in ranges)


@given(st.lists(st.tuples(st.sampled_from(["c", "rack-", "n"]), _ranges, _ranges), min_size=1, max_size=4))
def test_the_names_are_those_that_clustershell_finds(items: list[tuple[str, list[int], list[int]]]) -> None:
    text = ",".join(f"{name}[{_bracket(rack)}]x[{_bracket(node)}]" for name, rack, node in items)
    assert set(expand(text)) == set(NodeSet(text, resolver=RESOLVER_NOGROUP))
    assert len(set(expand(text))) == len(expand(text))
