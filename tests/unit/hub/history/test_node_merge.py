"""One node's result from several sightings: totals, profiles and what was seen of it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from slurmlens.clock import NS_PER_S
from slurmlens.events import Figure, FigureSource, Point, Profile, StepTotals, Totals
from slurmlens.hub.history.conclude.merge import MAX_BINS, merge_profiles, merge_totals
from testkit.told_events import at_ns, profile


def figure(value: float, source: FigureSource = FigureSource.LAST_SAMPLE, complete: bool = True) -> Figure:
    return Figure(value=value, source=source, complete=complete)


def means(found: Profile | None) -> list[float | None]:
    assert found is not None
    return [point.mean for point in found.columns["cpu_cores"]]


def test_the_latest_counters_win_and_the_highest_peak() -> None:
    before = Totals(samples=5, cpu_s=figure(10), memory_peak_bytes=figure(9e9), oom_kills=1)
    after = Totals(samples=3, cpu_s=figure(30), memory_peak_bytes=figure(2e9), oom_kills=0)
    found = merge_totals([before, after])
    assert found is not None
    assert (found.samples, found.cpu_s, found.oom_kills) == (8, figure(30), 1)
    assert found.memory_peak_bytes == figure(9e9)


def test_what_only_the_earlier_sighting_knows_is_kept_and_not_complete() -> None:
    found = merge_totals([Totals(samples=1, cpu_s=figure(10)), Totals(samples=1)])
    assert found is not None
    assert found.cpu_s == figure(10, complete=False)


def test_growth_of_the_whole_node_is_summed_over_sightings() -> None:
    parts = [Totals(samples=1, pressure_io_some_s=figure(value, FigureSource.NODE)) for value in (2.0, 3.0)]
    found = merge_totals(parts)
    assert found is not None
    assert found.pressure_io_some_s == figure(5.0, FigureSource.NODE, complete=False)


def test_steps_are_joined_by_name() -> None:
    first = Totals(samples=1, steps=(StepTotals(step="batch", samples=2, cpu_s=figure(1)), StepTotals(step="0")))
    second = Totals(samples=1, steps=(StepTotals(step="batch", samples=3, cpu_s=figure(4)), StepTotals(step="1")))
    found = merge_totals([first, second])
    assert found is not None
    assert [(step.step, step.samples) for step in found.steps] == [("batch", 5), ("0", 0), ("1", 0)]
    assert found.steps[0].cpu_s == figure(4)


def test_nothing_measured_is_unavailable() -> None:
    assert merge_totals([]) is None
    assert merge_profiles([]) is None
    assert merge_totals([Totals(samples=0)]) == Totals(samples=0)


def test_a_gap_between_two_pieces_is_a_gap() -> None:
    assert means(merge_profiles([profile(0, 1.0), profile(30, 4.0)])) == [1.0, None, None, 4.0]


def test_a_bin_that_is_told_again_replaces_what_was_told() -> None:
    assert means(merge_profiles([profile(0, 1.0, 2.0), profile(10, 2.5, 3.0)])) == [1.0, 2.5, 3.0]


def test_narrow_bins_are_joined_into_the_widest_and_keep_their_extremes() -> None:
    found = merge_profiles([profile(0, 1.0, 3.0), profile(20, 5.0, width_s=20)])
    assert means(found) == [2.0, 5.0]
    assert found is not None
    assert found.columns["cpu_cores"][0] == Point(0.5, 2.0, 6.0)


def test_a_metric_that_only_one_piece_has_is_a_gap_in_the_other() -> None:
    other = Profile(start_ns=at_ns(10), width_s=10, columns={"memory_bytes": [Point(1, 2, 3)]})
    found = merge_profiles([profile(0, 1.0), other])
    assert found is not None
    nothing = Point(None, None, None)
    assert found.columns["cpu_cores"] == [Point(0.5, 1.0, 2.0), nothing]
    assert found.columns["memory_bytes"] == [nothing, Point(1, 2, 3)]


_pieces = st.builds(
    lambda begin, width, values: Profile(
        start_ns=at_ns(begin // width * width),
        width_s=float(width),
        columns={"cpu_cores": [Point(value, value, value) for value in values]},
    ),
    st.integers(0, 10_000_000),
    st.sampled_from([1, 2, 4, 10, 20, 40, 320]),
    st.lists(st.floats(0, 64), min_size=1, max_size=20),
)


@given(st.lists(_pieces, min_size=1, max_size=5))
@settings(deadline=None)
def test_merging_is_bounded_and_invents_nothing(pieces: list[Profile]) -> None:
    found = merge_profiles(pieces)
    assert found is not None
    points = found.columns["cpu_cores"]
    assert len(points) <= MAX_BINS
    told = [point.mean or 0.0 for piece in pieces for point in piece.columns["cpu_cores"]]
    seen = [point for point in points if point.mean is not None]
    assert seen
    for point in seen:
        assert point.mean is not None
        assert min(told) - 1e-9 <= point.mean <= max(told) + 1e-9
    end_ns = found.start_ns + len(points) * round(found.width_s * NS_PER_S)
    assert found.start_ns <= min(piece.start_ns for piece in pieces) < end_ns
